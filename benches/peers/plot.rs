//! A plot of throughput against live entries, as SVG.

use plotters::prelude::*;

/// A line of a plot: its name, its color, its points (live entries, millions a second).
pub type Line = (String, RGBColor, Vec<(f64, f64)>);

/// Draws `lines` over a logarithmic axis of live entries.
///
/// # Panics
/// Where nothing can be drawn.
pub fn svg(title: &str, lines: &[Line]) -> String {
    let points = || lines.iter().flat_map(|(_, _, points)| points);
    let live = points().map(|(live, _)| *live).fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(x), high.max(x)));
    let top = points().map(|(_, rate)| *rate).fold(0.0, f64::max) * 1.1;
    let mut out = String::new();
    {
        let area = SVGBackend::with_string(&mut out, (860, 420)).into_drawing_area();
        area.fill(&WHITE).expect("the ground");
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 16))
            .margin(12)
            .margin_right(120)
            .x_label_area_size(40)
            .y_label_area_size(48)
            .build_cartesian_2d((live.0..live.1).log_scale(), 0.0..top)
            .expect("axes");
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc("live nonces")
            .y_desc("millions a second")
            .x_label_formatter(&|live| format!("10^{:.0}", live.log10()))
            .draw()
            .expect("the mesh");
        for (name, color, points) in lines {
            chart.draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(2))).expect("a line");
            let marks = points.iter().map(|point| Circle::new(*point, 3, color.filled()));
            chart.draw_series(marks).expect("its points");
            // The name stands where the line ends.
            let last = points.last().copied().into_iter();
            let label = |point| {
                EmptyElement::at(point) + Text::new(name.clone(), (8, -6), ("sans-serif", 12).into_font().color(color))
            };
            chart.draw_series(last.map(label)).expect("its name");
        }
        area.present().expect("the whole");
    }
    out
}
