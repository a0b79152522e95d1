//! What is read of a request's bytes: addresses and lines of headers.

use super::*;
use crate::engine::Engine;

const NONE: portcullis_slice = portcullis_slice { ptr: std::ptr::null(), len: 0 };

fn slice(text: &[u8]) -> portcullis_slice {
    portcullis_slice { ptr: text.as_ptr(), len: text.len() }
}

fn request() -> portcullis_request {
    // SAFETY: all zeros is a request without anything.
    unsafe { std::mem::zeroed() }
}

/// What a request's address is read as.
fn address(text: &[u8]) -> Result<Option<IpAddr>, portcullis_result> {
    let request = portcullis_request { client_ip: slice(text), ..request() };
    // SAFETY: the text is alive.
    unsafe { view(&request, &[]) }.map(|view| view.client_ip)
}

#[test]
fn lines_are_lent_where_they_lie_or_copied_where_a_text_is_none() {
    let text = |text: &'static str| slice(text.as_bytes());
    let whole = [("Host", "api.example"), ("A", ""), ("", "b"), ("X-Long", "0123456789")];
    for count in 0..=whole.len() {
        let theirs: Vec<_> = whole[..count]
            .iter()
            .map(|(name, value)| portcullis_header { name: text(name), value: text(value) })
            .collect();
        let request = portcullis_request { headers: theirs.as_ptr(), header_count: count, ..request() };
        // SAFETY: the texts are static.
        let lines = unsafe { lent(&request) }.unwrap();
        assert!(count == 0 || lines.as_ptr().cast() == theirs.as_ptr());
        let own: Vec<_> = whole[..count].iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        assert_eq!(lines.iter().map(|line| (line.name, line.value)).collect::<Vec<_>>(), own);
        // Every text in turn at NULL, without a length, with one, or longer than memory.
        let (long, nowhere) =
            (portcullis_slice { len: usize::MAX / 2 + 1, ..text("a") }, portcullis_slice { len: 1, ..NONE });
        for (bad, result) in [(NONE, None), (nowhere, Some(PORTCULLIS_NULL)), (long, Some(PORTCULLIS_BAD_ARGUMENT))] {
            for place in 0..2 * count {
                let (mut theirs, mut own) = (theirs.clone(), own.clone());
                if place % 2 == 0 {
                    (theirs[place / 2].name, own[place / 2].0) = (bad, b"");
                } else {
                    (theirs[place / 2].value, own[place / 2].1) = (bad, b"");
                }
                let request = portcullis_request { headers: theirs.as_ptr(), ..request };
                // SAFETY: the texts that have a length and an address are static; the one that is too long is not read.
                let (lent, copied) = unsafe { (lent(&request), headers_of(&request)) };
                assert_eq!(lent, None, "{bad:?} at {place}");
                let copied = copied.map(|lines| lines.iter().map(|line| (line.name, line.value)).collect::<Vec<_>>());
                assert_eq!(copied, result.map_or(Ok(own), Err), "{bad:?} at {place}");
            }
        }
    }
    for (count, result) in [(1, PORTCULLIS_NULL), (usize::MAX, PORTCULLIS_NULL)] {
        let request = portcullis_request { header_count: count, ..request() };
        // SAFETY: there are no lines at NULL, and none is read.
        let (lent, copied) = unsafe { (lent(&request), headers_of(&request)) };
        assert_eq!((lent, copied), (None, Err(result)));
    }
}

#[test]
fn each_request_of_a_batch_has_its_own_lines_lent_or_copied() {
    let text = |text: &'static str| slice(text.as_bytes());
    // `NONE` as a value is an empty text, and makes a copy of all the lines of its request.
    let lines: Vec<Vec<portcullis_header>> = [
        vec![("a", text("0"))],
        vec![("b", NONE), ("c", text("1"))],
        vec![],
        vec![("d", text("2")), ("e", text("3"))],
        vec![("f", NONE)],
        vec![("g", text("")), ("h", text("4")), ("i", NONE)],
    ]
    .map(|lines| lines.into_iter().map(|(name, value)| portcullis_header { name: text(name), value }).collect())
    .into();
    let want: [&[(&str, &str)]; 6] = [
        &[("a", "0")],
        &[("b", ""), ("c", "1")],
        &[],
        &[("d", "2"), ("e", "3")],
        &[("f", "")],
        &[("g", ""), ("h", "4"), ("i", "")],
    ];
    let engine = Engine::open(br#"{"version":1,"apps":[]}"#).unwrap();
    let mut worker = FfiWorker::new(engine.worker());
    for (from, to) in (0..6).flat_map(|from| (from..=6).map(move |to| (from, to))) {
        let requests: Vec<_> = lines[from..to]
            .iter()
            .map(|lines| portcullis_request { headers: lines.as_ptr(), header_count: lines.len(), ..request() })
            .collect();
        // SAFETY: lines and texts live until the end.
        let read = unsafe {
            worker.with(&requests, |_, views| {
                let pair = |line: &Header<'_>| (line.name.to_vec(), line.value.to_vec());
                views.iter().map(|view| view.headers.iter().map(pair).collect::<Vec<_>>()).collect::<Vec<_>>()
            })
        };
        let pair = |(name, value): &(&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        let own: Vec<Vec<_>> = want[from..to].iter().map(|lines| lines.iter().map(pair).collect()).collect();
        assert_eq!(read, Ok(own), "{from}..{to}");
    }
}

#[test]
fn random_addresses_are_what_the_standard_library_reads() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize % below
    };
    const BYTES: &[u8] = b"0123456789..../:+ a\0\xfe";
    let mut read = 0;
    for _ in 0..200_000 {
        // Numbers of every length, some too great or with a zero before them; then up to two bytes changed, put in or taken away.
        let mut number = |_| {
            let number = random(400) >> random(8);
            if random(10) == 0 { format!("0{number}") } else { number.to_string() }
        };
        let mut text = [(); 4].map(&mut number).join(".").into_bytes();
        for _ in 0..random(3) {
            let (at, byte) = (random(text.len()), BYTES[random(BYTES.len())]);
            match random(3) {
                0 => text[at] = byte,
                1 => text.insert(at, byte),
                _ => drop(text.remove(at)),
            }
        }
        let own = std::str::from_utf8(&text).ok().and_then(|text| text.parse::<Ipv4Addr>().ok());
        assert_eq!(read_ipv4(&text), own, "{:?}", String::from_utf8_lossy(&text));
        read += usize::from(own.is_some());
    }
    assert!((20_000..180_000).contains(&read), "{read} of them were addresses");
}

#[test]
fn addresses_are_what_the_standard_library_reads() {
    let numbers = [
        "",
        "0",
        "7",
        "00",
        "01",
        "10",
        "42",
        "99",
        "100",
        "199",
        "255",
        "256",
        "299",
        "300",
        "999",
        "1000",
        "4294967296",
        "a",
        "+1",
    ];
    let same = |text: &str| assert_eq!(read_ipv4(text.as_bytes()), text.parse().ok(), "{text:?}");
    for first in numbers {
        for second in numbers {
            for third in ["0", "255", "256", "01", ""] {
                same(&format!("{first}.{third}.1.{second}"));
                same(&format!("{first}.1.{second}"));
                same(&format!("1.{first}.{third}.4.{second}"));
            }
        }
    }
    for text in
        ["", ".", "...", "1.2.3.4.", ".1.2.3.4", "1.2.3.4 ", " 1.2.3.4", "1..2.3.4", "1.2.3.4\0", "1.2.3./", "1.2.3.:"]
    {
        same(text);
    }
    for text in
        ["::1", "2001:db8::7", "1234::", "::ffff:1.2.3.4", "0010::", "203.0.113.7", "1.2.3.4.5", "nonsense", "12345"]
    {
        let own = text.parse().map(Some).map_err(|_| PORTCULLIS_BAD_ARGUMENT);
        assert_eq!(address(text.as_bytes()), own, "{text:?}");
    }
    assert_eq!(address(b"\xff"), Err(PORTCULLIS_BAD_ARGUMENT));
    assert_eq!(address(b""), Ok(None));
    let nowhere = portcullis_request { client_ip: portcullis_slice { len: 7, ..NONE }, ..request() };
    // SAFETY: there is no text at NULL, and none is read.
    assert_eq!(unsafe { view(&nowhere, &[]) }.map(|view| view.client_ip), Err(PORTCULLIS_NULL));
}
