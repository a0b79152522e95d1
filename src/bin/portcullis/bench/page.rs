//! The page that `--html` writes: bar charts and the table, in one file that needs nothing else.

use super::Row;
use crate::Failure;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::fmt::Write as _;

const OURS: RGBColor = RGBColor(0x1f, 0x6f, 0xb2);
const ALONE: RGBColor = RGBColor(0x8a, 0xb8, 0xdd);
const PEER: RGBColor = RGBColor(0xb9, 0xb4, 0xab);
const INK: RGBColor = RGBColor(0x26, 0x2b, 0x33);
const FAINT: RGBColor = RGBColor(0xe4, 0xe6, 0xea);

/// Pixels of a chart: its width, what the names take on the left, the figures on the right, the scale below.
const WIDTH: u32 = 920;
const LEFT: i32 = 170;
const RIGHT: i32 = 90;
const BOTTOM: i32 = 34;

/// A figure of a row, and its color.
type Series = (RGBColor, fn(&Row) -> f64);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// The page; `about` says what was measured.
pub fn write(rows: &[Row], about: &str) -> Result<String, Failure> {
    let mut times = String::new();
    let mut ratios = String::new();
    if !rows.is_empty() {
        chart(
            &mut times,
            rows,
            &[(OURS, |row| row.batch), (ALONE, |row| row.one), (PEER, |row| row.alone)],
            nanoseconds,
        )?;
        chart(&mut ratios, rows, &[(OURS, Row::ratio)], |ratio| format!("{ratio:.1}×"))?;
    }
    let mut table = String::new();
    for row in rows {
        let _ = write!(
            table,
            "<tr><th>{}</th><td>{:.0}</td><td>{:.0}</td><td>{:.0}</td><td>{}</td><td>{:.0}</td><td>{:.1}×</td></tr>",
            row.name,
            row.batch,
            row.one,
            1e9 / row.batch,
            row.library,
            row.alone,
            row.ratio()
        );
    }
    let key = |color: RGBColor, text: &str| {
        let RGBColor(r, g, b) = color;
        format!("<span><i style=\"background:rgb({r},{g},{b})\"></i>{text}</span>")
    };
    Ok(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>portcullis bench</title><style>{STYLE}</style>\
         <h1>portcullis on this machine</h1><p>{about}. Medians of rounds in turn: read the ratios.</p>\
         <h2>Time of a verification</h2><p class=\"key\">{}{}{}</p><p class=\"note\">Nanoseconds, logarithmic: shorter is \
         faster.</p>{times}\
         <h2>Verifications in the time of the library's one</h2><p class=\"note\">In batches, logarithmic: longer is faster; the line is \
         the library's own speed.</p>{ratios}\
         <h2>Figures</h2><table><thead><tr><th>algorithm</th><td>batch, ns</td><td>one, ns</td><td>batch, /s/core</td><td>library</td>\
         <td>library, ns</td><td>ratio</td></tr></thead><tbody>{table}</tbody></table></html>\n",
        key(OURS, "portcullis, in batches"),
        key(ALONE, "portcullis, one alone"),
        key(PEER, "the library, one at a time"),
    ))
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;color:#262b33;background:#fff;max-width:920px;margin:40px auto;padding:0 20px}\
    h1{font-size:26px;margin:0}h2{font-size:18px;margin:36px 0 4px}p{margin:4px 0 10px}.note{color:#68707c;font-size:13px}\
    .key span{margin-right:22px;white-space:nowrap}.key i{display:inline-block;width:12px;height:12px;border-radius:2px;margin-right:6px}\
    svg{width:100%;height:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}\
    td,th{padding:5px 8px;text-align:right;border-bottom:1px solid #e4e6ea;font-weight:400}\
    th{text-align:left}thead{color:#68707c;font-size:13px}";

/// As people say it.
fn nanoseconds(ns: f64) -> String {
    match ns {
        ..1e3 => format!("{ns:.0} ns"),
        1e3..1e4 => format!("{:.2} µs", ns / 1e3),
        1e4..1e6 => format!("{:.0} µs", ns / 1e3),
        _ => format!("{:.1} ms", ns / 1e6),
    }
}

/// Horizontal bars on a logarithmic scale: for every row one for each of `series`, labelled with its figure.
fn chart(out: &mut String, rows: &[Row], series: &[Series], label: fn(f64) -> String) -> Result<(), Failure> {
    let failed = |e: DrawingAreaErrorKind<_>| format!("drawing: {e}");
    let bar = if series.len() == 1 { 16 } else { 9 };
    let step = bar * series.len() as i32 + 14;
    let height = step * rows.len() as i32 + BOTTOM;
    let values =
        || rows.iter().flat_map(|row| series.iter().map(|(_, of)| of(row))).filter(|v| v.is_finite() && *v > 0.0);
    // Whole powers of ten around all values, 1 among them: a ratio's bar begins at the library's speed, or where it is far below, there.
    let least = values().fold(1.0, f64::min);
    let low = if least > 0.5 { 0.0 } else { least.log10().floor() };
    let high = values().fold(1.0, f64::max).log10().ceil().max(low + 1.0);
    let width = f64::from(WIDTH as i32 - LEFT - RIGHT);
    let x = |value: f64| LEFT + ((value.max(1e-9).log10() - low) / (high - low) * width).round().max(1.0) as i32;
    let backend = SVGBackend::with_string(out, (WIDTH, height as u32));
    let area: Area<'_> = backend.into_drawing_area();
    let text = |size: i32, h| {
        let style = ("system-ui, sans-serif", size).into_text_style(&area).color(&INK);
        style.pos(Pos::new(h, VPos::Center))
    };
    let bottom = height - BOTTOM;
    let mut power = low;
    while power <= high {
        let at = x(10f64.powf(power));
        let color = if power == 0.0 && series.len() == 1 { INK } else { FAINT };
        area.draw(&PathElement::new(vec![(at, 0), (at, bottom)], color.stroke_width(1))).map_err(failed)?;
        let style = text(12, HPos::Center);
        area.draw(&Text::new(label(10f64.powf(power)), (at, bottom + 14), style)).map_err(failed)?;
        power += 1.0;
    }
    for (index, row) in rows.iter().enumerate() {
        let top = index as i32 * step + 7;
        let middle = top + bar * series.len() as i32 / 2;
        area.draw(&Text::new(row.name, (LEFT - 10, middle), text(13, HPos::Right))).map_err(failed)?;
        for (number, (color, of)) in series.iter().enumerate() {
            let (value, y) = (of(row), top + number as i32 * bar);
            let end = x(value);
            area.draw(&Rectangle::new([(LEFT, y), (end, y + bar - 1)], color.filled())).map_err(failed)?;
            let style = text(11, HPos::Left);
            area.draw(&Text::new(label(value), (end + 5, y + bar / 2), style)).map_err(failed)?;
        }
    }
    area.present().map_err(failed)?;
    drop(area);
    Ok(())
}
