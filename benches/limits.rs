//! How far the kernels are from what the CPU could do at all: `cargo bench --bench limits`.
//!
//! A kernel of vector instructions is bound by the ports that execute them. Each is run here once over lanes that count ([`Counting`]), which says how
//! many instructions of which kind it has for one item, and is timed over the lanes of the CPU. How many independent multiply-adds (of IFMA) the CPU
//! does in a nanosecond is measured in the same run, right beside; every other vector instruction is taken to be as cheap, which is true of additions
//! and logic, and kind to permutations (one port of two). What the CPU would need for the instructions alone is the floor.
//!
//! RSA's and the hashes' instructions are counted from their formulas (`src/alg/rsa/radix52.rs`, `src/hash`): loads, stores and permutations aside.

#[cfg(not(target_arch = "x86_64"))]
fn main() {
    println!("not on this CPU");
}

#[cfg(target_arch = "x86_64")]
fn main() {
    x86::main();
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use aws_lc_rs::{rand::SystemRandom, rsa, signature};
    use portcullis::alg::{Algorithm, Item, Key, MacInput, PublicKey, SignatureForm, Verifier};
    use portcullis::curve::build::Build;
    use portcullis::curve::many::{CLAIMS, Known, Scratch};
    use portcullis::curve::one::One;
    use portcullis::curve::table::{Comb, Shape, Wide};
    use portcullis::curve::{Claim, Curve, Decision, P256, Sm2, montgomery_point};
    use portcullis::hash::{self, md5, selftest, sha256, sm3};
    use portcullis::lanes::{Avx512Ifma, Cpu, Kernel, Lanes52, Line, Model};
    use std::cell::Cell;
    use std::hint::black_box;
    use std::marker::PhantomData;
    use std::time::Instant;

    thread_local! {
        static MULTIPLY: Cell<u64> = const { Cell::new(0) };
        static OTHER: Cell<u64> = const { Cell::new(0) };
    }

    fn count(which: &'static std::thread::LocalKey<Cell<u64>>, n: u64) {
        which.with(|cell| cell.set(cell.get() + n));
    }

    /// The model's lanes, each operation counted as the instructions that it is on AVX-512.
    #[derive(Clone, Copy)]
    struct Counting;

    macro_rules! counted {
        ($($which:ident $n:literal: fn $name:ident $(<const $K:ident: $T:ty>)? ($($arg:ident: $A:ty),*) -> $R:ty;)*) => {
            $(#[inline(always)]
            fn $name $(<const $K: $T>)? (self, $($arg: $A),*) -> $R {
                count(&$which, $n);
                Model.$name $(::<$K>)? ($($arg),*)
            })*
        };
    }

    impl Lanes52 for Counting {
        type V = Line;
        const OUT_OF_LINE: bool = true;

        #[inline(never)]
        fn call<K: Kernel<Self>>(self, kernel: K) -> K::Output {
            kernel.run(self)
        }
        // Constants and loads are operands of other instructions, or no work of the two ports.
        fn splat(self, x: u64) -> Line {
            Model.splat(x)
        }
        fn load(self, words: &Line) -> Line {
            Model.load(words)
        }
        fn store(self, v: Line) -> Line {
            Model.store(v)
        }
        fn prefetch(self, _: &Line) {}
        counted! {
            MULTIPLY 1: fn madd_lo(c: Line, a: Line, b: Line) -> Line;
            MULTIPLY 1: fn madd_hi(c: Line, a: Line, b: Line) -> Line;
            OTHER 1: fn store16(v: Line) -> [u16; 8];
            OTHER 1: fn add(a: Line, b: Line) -> Line;
            OTHER 1: fn sub(a: Line, b: Line) -> Line;
            OTHER 1: fn and(a: Line, b: Line) -> Line;
            OTHER 1: fn or(a: Line, b: Line) -> Line;
            OTHER 1: fn xor(a: Line, b: Line) -> Line;
            OTHER 1: fn shl<const N: u32>(a: Line) -> Line;
            OTHER 1: fn shr<const N: u32>(a: Line) -> Line;
            OTHER 1: fn sar<const N: u32>(a: Line) -> Line;
            OTHER 1: fn shl_by(a: Line, n: u32) -> Line;
            OTHER 1: fn shr_by(a: Line, n: u32) -> Line;
            OTHER 1: fn select(mask: u8, a: Line, b: Line) -> Line;
            OTHER 1: fn eq(a: Line, b: Line) -> u8;
            OTHER 1: fn lt(a: Line, b: Line) -> u8;
            OTHER 1: fn disjoint(a: Line, b: Line) -> u8;
            OTHER 1: fn negative(a: Line) -> u8;
            OTHER 1: fn swap<const K: usize>(a: Line) -> Line;
            OTHER 1: fn broadcast<const K: usize>(a: Line) -> Line;
            // A transposition of eight by eight words: three layers of eight permutations.
            OTHER 24: fn lines(lines: [&Line; 8]) -> [Line; 8];
            OTHER 24: fn unlines(v: [Line; 8]) -> [Line; 8];
        }
    }

    /// Independent multiply-adds: sixteen sums, a thousand rounds.
    struct Rate<'a>(&'a mut [Line; 16]);

    const ROUNDS: usize = 1_000;

    impl Kernel<Avx512Ifma> for Rate<'_> {
        type Output = ();

        #[inline(always)]
        fn run(self, l: Avx512Ifma) {
            let mut sums = self.0.map(|line| l.load(&line));
            let (a, b) = (sums[0], sums[1]);
            for _ in 0..ROUNDS {
                for sum in &mut sums {
                    *sum = l.madd_lo(*sum, a, b);
                }
            }
            *self.0 = sums.map(|sum| l.store(sum));
        }
    }

    /// Least nanoseconds of many rounds of `run`.
    fn least(mut run: impl FnMut()) -> f64 {
        let mut best = f64::MAX;
        for _ in 0..300 {
            let start = Instant::now();
            run();
            best = best.min(start.elapsed().as_nanos() as f64);
        }
        best
    }

    /// Vector instructions in a nanosecond.
    fn rate(l: Avx512Ifma) -> f64 {
        let mut sums = black_box([Line([3; 8]); 16]);
        let ns = least(|| l.enter(Rate(&mut sums)));
        black_box(sums);
        (16 * ROUNDS) as f64 / ns
    }

    struct Row {
        multiply: f64,
        other: f64,
        ns: f64,
    }

    fn print(name: &str, l: Avx512Ifma, row: impl FnOnce() -> Row) {
        // The clock goes up and down with the neighbours: the rate before and after, the better one.
        let before = rate(l);
        let Row { multiply, other, ns } = row();
        let rate = before.max(rate(l));
        let floor = (multiply + other) / rate;
        println!(
            "{name:<34}{multiply:>10.0}{other:>10.0}{:>10.2}{floor:>10.1}{ns:>10.1}{:>7.0} %",
            rate,
            100.0 * floor / ns
        );
    }

    fn random(seed: &mut u64) -> u64 {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        *seed
    }

    fn claims() -> Vec<Claim> {
        let mut seed = 0x9e37_79b9_7f4a_7c15;
        // Below either order: the highest bit is not set.
        let mut number = || [random(&mut seed), random(&mut seed), random(&mut seed), random(&mut seed) >> 1];
        (0..CLAIMS).map(|_| Claim::new(&number(), &number(), &number(), &number())).collect()
    }

    /// What `run` counts.
    fn counted(run: impl FnOnce()) -> (f64, f64) {
        MULTIPLY.set(0);
        OTHER.set(0);
        run();
        (MULTIPLY.get() as f64, OTHER.get() as f64)
    }

    fn many<C: Curve, S: Shape>(l: Avx512Ifma) -> Row {
        let claims = claims();
        let mut table = S::room();
        l.enter(Build::<C, S>::new(&[montgomery_point::<C>(&C::GX, &C::GY)], &mut [&mut *table]));
        let (tables, mut scratch) = ([&*table; CLAIMS], Scratch::default());
        let mut decisions = [Decision::False; CLAIMS];
        macro_rules! known {
            () => {
                Known::<C, S> {
                    claims: &claims,
                    tables: &tables,
                    generator: &C::generator().window10,
                    scratch: &mut scratch,
                    decisions: &mut decisions,
                    curve: PhantomData,
                }
            };
        }
        let ns = least(|| l.enter(known!())) / CLAIMS as f64;
        let (multiply, other) = counted(|| Counting.call(known!()));
        Row { multiply: multiply / CLAIMS as f64, other: other / CLAIMS as f64, ns }
    }

    fn one<C: Curve>(l: Avx512Ifma) -> Row {
        let claims = claims();
        let tables = &C::generator().wide;
        let claim = |claim| One::<C, Wide> { claim, table: tables, generator: tables, curve: PhantomData };
        let mut at = 0;
        let ns = least(|| {
            at = (at + 1) % claims.len();
            black_box(l.enter(claim(&claims[at])));
        });
        let (multiply, other) = counted(|| {
            black_box(Counting.call(claim(&claims[0])));
        });
        Row { multiply, other, ns }
    }

    /// Eight signatures by keys of `bits` bits, e = 65537: sixteen squarings and a multiplication, R = 2^(52 N).
    fn rsa_many(bits: usize, size: rsa::KeySize) -> Row {
        let pair = rsa::KeyPair::generate(size).unwrap();
        let public = aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(
            signature::KeyPair::public_key(&pair),
        )
        .unwrap();
        let public = PublicKey::from_spki_der(public.as_ref()).unwrap();
        let key = Key::public(Algorithm::RsaPkcs1Sha256, &public, None).unwrap();
        let message = [7; 300];
        let mut signed = vec![0; pair.public_modulus_len()];
        pair.sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), &message, &mut signed).unwrap();
        let items: Vec<Item<'_>> = (0..64)
            .map(|_| Item {
                key: &key,
                message: &message,
                signature: &signed,
                form: SignatureForm::Der,
                input: MacInput::Plain,
            })
            .collect();
        let (mut verifier, mut ok) = (Verifier::new(Cpu::detect()), [false; 64]);
        let ns = least(|| verifier.verify(&items, &mut ok)) / 64.0;
        assert_eq!(ok, [true; 64]);
        let n = bits.div_ceil(52) as f64;
        // Each product of limbs has a low and a high half. a·a: those with i < j, and the diagonal; m·n: all; and one for every m.
        let (square, reduce) = (n * (n + 1.0), 2.0 * n * n);
        Row { multiply: (16.0 * (square + reduce) + 2.0 * n * n + reduce) / 8.0, other: 0.0, ns }
    }

    /// Sixteen messages of 300 bytes: five blocks, sixteen at once. `block`: vector instructions of a block.
    fn hash_many(block: f64, run: impl FnOnce(&[&[u8]]) -> f64) -> Row {
        let texts: Vec<Vec<u8>> = (0..64).map(|i| vec![i; 300]).collect();
        let messages: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
        Row { multiply: 0.0, other: 5.0 * block / 16.0, ns: run(&messages) / 64.0 }
    }

    pub fn main() {
        let Some(l) = Cpu::detect().avx512_ifma() else {
            return println!("not on this CPU");
        };
        println!(
            "an item: multiply-adds, other vector instructions; instructions a ns; floor and time in ns; floor / time"
        );
        print("P-256, known keys, wide tables", l, || many::<P256, Wide>(l));
        print("P-256, known keys, combs", l, || many::<P256, Comb>(l));
        print("SM2, known keys, wide tables", l, || many::<Sm2, Wide>(l));
        print("P-256, one across the lanes", l, || one::<P256>(l));
        print("SM2, one across the lanes", l, || one::<Sm2>(l));
        print("RSA-2048, with SHA-256", l, || rsa_many(2048, rsa::KeySize::Rsa2048));
        print("RSA-3072, with SHA-256", l, || rsa_many(3072, rsa::KeySize::Rsa3072));
        print("RSA-4096, with SHA-256", l, || rsa_many(4096, rsa::KeySize::Rsa4096));
        let kernels = selftest::trusted(Cpu::detect());
        let mut scratch = hash::Scratch::new();
        let (mut short, mut long) = ([[0; 16]; 64], [[0; 32]; 64]);
        // A transposition of sixteen words of sixteen messages has 64 permutations. MD5, a round: 4 additions, the function (one ternary
        // instruction), a rotation. The state added.
        let md5_block = 64.0 + 64.0 * 6.0 + 4.0;
        // SHA-256, a round: 7 additions, choose, majority, twice three rotations under one ternary; its schedule, 48 times: 3 additions, twice two
        // rotations and a shift under one ternary. Bytes turned, the state added.
        let sha256_block = 64.0 + 16.0 + 64.0 * 17.0 + 48.0 * 11.0 + 8.0;
        // SM3, a round: 6 rotations, 8 additions, 2 exclusive ors, 3 ternaries; its schedule, 52 times: 4 rotations, 3 ternaries. Bytes turned,
        // the state's exclusive or.
        let sm3_block = 64.0 + 16.0 + 64.0 * 19.0 + 52.0 * 7.0 + 8.0;
        print("MD5 of 300 bytes", l, || {
            hash_many(md5_block, |m| least(|| md5::digest_many(kernels, m, &mut short, &mut scratch)))
        });
        print("SHA-256 of 300 bytes", l, || {
            hash_many(sha256_block, |m| least(|| sha256::digest_many(kernels, m, &mut long, &mut scratch)))
        });
        print("SM3 of 300 bytes", l, || {
            hash_many(sm3_block, |m| least(|| sm3::digest_many(kernels, m, &mut long, &mut scratch)))
        });
    }
}
