//! The picture of a run: loss, k-NN accuracy, learning rate and spread of the embeddings over epochs.

use std::ops::Range;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

use super::history::{History, StepPoint};

/// A line is drawn from at most this many points; each is the mean of its stretch of steps.
const MAX_POINTS: usize = 300;
const SIZE_PX: (u32, u32) = (1200, 780);
pub(super) const INK: RGBColor = RGBColor(38, 50, 56);
pub(super) const GRID: RGBColor = RGBColor(225, 230, 234);
pub(super) const PAPER: RGBColor = RGBColor(255, 255, 255);
/// Colours that stay apart for the colour-blind (Okabe and Ito's).
pub(super) const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// A name (empty: no entry in the legend) and points `(epoch, value)`.
type Series = (String, Vec<(f64, f64)>);

/// What one of the four panels shows.
struct Panel<'t> {
    title: &'t str,
    y_label: &'t str,
    series: Vec<Series>,
    /// The range that is always in view; data widens it.
    at_least: Option<Range<f64>>,
    has_markers: bool,
}

/// The curves of a run as an SVG document.
///
/// # Errors
/// When there is no step to draw, or drawing fails.
pub fn curves_svg(history: &History) -> Result<String> {
    if history.steps.is_empty() {
        return Err(anyhow!("there is no step to draw"));
    }
    let epoch_of = |step: usize| step as f64 / history.steps_per_epoch.max(1) as f64;
    let line = |value: &dyn Fn(&StepPoint) -> f64| thinned(&history.steps, |p| epoch_of(p.step), value);
    let mut losses = vec![("total".to_owned(), line(&|point| point.loss))];
    let parts = history.steps[0].parts.len();
    if parts > 1 {
        for index in 0..parts {
            let name = history.steps[0].parts[index].0.replace('_', " ");
            losses.push((name, line(&|point| point.parts.get(index).map_or(f64::NAN, |(_, value)| *value))));
        }
    }
    let knn = history.epochs.iter().filter_map(|p| p.knn_accuracy.map(|value| (epoch_of(p.step), value * 100.0)));
    let unnamed = |points: Vec<(f64, f64)>| vec![(String::new(), points)];
    let panels = [
        Panel { title: "Loss", y_label: "loss", series: losses, at_least: None, has_markers: false },
        Panel {
            title: "k-NN accuracy",
            y_label: "accuracy (%)",
            series: unnamed(knn.collect()),
            at_least: None,
            has_markers: true,
        },
        Panel {
            title: "Learning rate",
            y_label: "learning rate",
            series: unnamed(line(&|point| point.learning_rate)),
            at_least: Some(0.0..0.0),
            has_markers: false,
        },
        Panel {
            title: "Spread of the embeddings (1 healthy, 0 collapsed)",
            y_label: "spread",
            series: unnamed(line(&|point| point.spread)),
            at_least: Some(0.0..1.0),
            has_markers: false,
        },
    ];
    let x_range = 0.0..epoch_of(history.steps.last().map_or(1, |p| p.step)).max(f64::EPSILON);
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE_PX).into_drawing_area();
        let failed = |error: &dyn std::fmt::Display| anyhow!("cannot draw the curves: {error}");
        root.fill(&PAPER).map_err(|error| failed(&error))?;
        let title = match history.method.as_str() {
            "" => "Training".to_owned(),
            method => format!("Training with {method}"),
        };
        let below = root
            .margin(8, 0, 0, 0)
            .titled(&title, ("sans-serif", 26).into_font().color(&INK))
            .map_err(|error| failed(&error))?;
        for (area, panel) in below.split_evenly((2, 2)).iter().zip(&panels) {
            panel.draw(area, &x_range).map_err(|error| failed(&error))?;
        }
        root.present().map_err(|error| failed(&error))?;
    }
    Ok(svg)
}

impl Panel<'_> {
    fn draw(&self, area: &Area, x_range: &Range<f64>) -> Result<(), Box<dyn std::error::Error>> {
        let text = |size: u32| ("sans-serif", size).into_font().color(&INK);
        let y_range = self.y_range();
        let mut chart = ChartBuilder::on(area)
            .caption(self.title, text(18))
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(62)
            .build_cartesian_2d(x_range.clone(), y_range.clone())?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(INK)
            .label_style(text(13))
            .axis_desc_style(text(14))
            .x_desc("epoch")
            .y_desc(self.y_label)
            .x_labels(8)
            .y_labels(6)
            .x_label_formatter(&|x| tick(*x, x_range.end - x_range.start))
            .y_label_formatter(&|y| tick(*y, y_range.end - y_range.start))
            .draw()?;
        let mut has_names = false;
        for ((name, points), colour) in self.series.iter().zip(COLOURS.into_iter().cycle()) {
            let drawn = chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?;
            if !name.is_empty() && self.series.len() > 1 {
                has_names = true;
                let sample = move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], colour.stroke_width(2));
                drawn.label(name.as_str()).legend(sample);
            }
            if self.has_markers {
                chart.draw_series(points.iter().map(|&point| Circle::new(point, 3, colour.filled())))?;
            }
        }
        if self.series.iter().all(|(_, points)| points.is_empty()) {
            let middle = ((x_range.start + x_range.end) / 2.0, (y_range.start + y_range.end) / 2.0);
            let style = text(15).pos(plotters::style::text_anchor::Pos::new(
                plotters::style::text_anchor::HPos::Center,
                plotters::style::text_anchor::VPos::Center,
            ));
            chart.draw_series([Text::new("not measured", middle, style)])?;
        }
        if has_names {
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperRight)
                .background_style(PAPER.mix(0.85))
                .border_style(GRID)
                .label_font(text(13))
                .draw()?;
        }
        Ok(())
    }

    /// Covers the data with a little room above and below; never empty.
    fn y_range(&self) -> Range<f64> {
        let values =
            self.series.iter().flat_map(|(_, points)| points.iter().map(|(_, y)| *y)).filter(|y| y.is_finite());
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), y| (low.min(y), high.max(y)));
        if low > high {
            return 0.0..100.0;
        }
        let room = ((high - low) * 0.06).max(high.abs() * 0.01).max(1e-9);
        let (mut from, mut to) = (low - room, high + room);
        if let Some(range) = &self.at_least {
            from = if low >= range.start { range.start } else { from.min(range.start) };
            to = to.max(range.end);
        }
        from..to
    }
}

/// A number on an axis of length `span`: with as many decimals as keep neighbouring labels apart.
fn tick(value: f64, span: f64) -> String {
    let decimals = (-(span / 8.0).log10()).ceil().clamp(0.0, 9.0) as usize;
    let text = format!("{value:.decimals$}");
    if text.trim_start_matches('-').chars().all(|digit| matches!(digit, '0' | '.')) { "0".to_owned() } else { text }
}

/// `(x, y)` of at most [`MAX_POINTS`] stretches of equal length: means of the finite values, with their last x.
fn thinned<X, Y>(steps: &[StepPoint], x: X, y: Y) -> Vec<(f64, f64)>
where
    X: Fn(&StepPoint) -> f64,
    Y: Fn(&StepPoint) -> f64,
{
    let stretch = steps.len().div_ceil(MAX_POINTS).max(1);
    steps
        .chunks(stretch)
        .filter_map(|points| {
            let values: Vec<f64> = points.iter().map(&y).filter(|value| value.is_finite()).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            points.last().filter(|_| !values.is_empty()).map(|last| (x(last), mean))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_have_the_decimals_they_need() {
        assert_eq!(tick(40.0, 90.0), "40");
        assert_eq!(tick(0.02, 0.06), "0.020");
        assert_eq!(tick(7.5, 3.0), "7.5");
        assert_eq!(tick(-0.0, 3.0), "0");
    }

    #[test]
    fn a_long_run_is_drawn_from_few_points() {
        let mut history = History { steps_per_epoch: 100, ..History::default() };
        for step in 1..=1000 {
            history.steps.push(StepPoint {
                step,
                epoch: (step - 1) / 100,
                loss: if step == 500 { f64::NAN } else { 1.0 / step as f64 },
                parts: Vec::new(),
                learning_rate: 0.1,
                tiles_per_sec: 1.0,
                spread: 1.0,
                contrastive_accuracy: 0.5,
                knn_accuracy: None,
            });
        }
        let points = thinned(&history.steps, |point| point.step as f64, |point| point.loss);
        assert!(points.len() <= MAX_POINTS && points.iter().all(|(_, y)| y.is_finite()));
        let svg = curves_svg(&history).unwrap_or_default();
        assert!(svg.starts_with("<svg") && svg.contains("not measured") && !svg.contains("NaN"));
    }
}
