//! The picture of a study: every run a dot, the mean of each series a bar, one column an augmentation.

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use super::curves::{COLOURS, GRID, INK, PAPER};

const HEIGHT_PX: u32 = 560;
const COLUMN_PX: u32 = 130;

/// The scores of one augmentation at one setting.
#[derive(Clone, Debug, PartialEq)]
pub struct StudyPoint {
    /// Number of the column.
    pub column: usize,
    /// What the legend calls it; equal names have equal colours.
    pub series: String,
    /// Scores from 0 to 1, one a run.
    pub values: Vec<f64>,
}

/// An SVG document with a column for each of `columns`.
///
/// # Errors
/// When there is no score to draw, or drawing fails.
pub fn study_svg(title: &str, columns: &[String], points: &[StudyPoint]) -> Result<String> {
    let all = || points.iter().flat_map(|point| point.values.iter().map(|value| 100.0 * value));
    let (low, high) = all().fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
    if low > high {
        return Err(anyhow!("there is no score to draw"));
    }
    let mut series: Vec<&str> = Vec::new();
    points.iter().for_each(|point| {
        if !series.contains(&point.series.as_str()) {
            series.push(&point.series);
        }
    });
    let mut svg = String::new();
    {
        let size = (140 + COLUMN_PX * columns.len().max(3) as u32, HEIGHT_PX);
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let draw = || -> Result<(), Box<dyn std::error::Error>> {
            area.fill(&PAPER)?;
            let margin = ((high - low) * 0.15).max(0.5);
            let mut chart = ChartBuilder::on(&area)
                .caption(title, ("sans-serif", 22).into_font().color(&INK))
                .margin(14)
                .x_label_area_size(44)
                .y_label_area_size(60)
                .build_cartesian_2d(-0.5..columns.len() as f64 - 0.5, low - margin..high + margin)?;
            let name = |x: &f64| {
                let at = x.round();
                let is_column = (x - at).abs() < 1e-6 && at >= 0.0;
                if is_column { columns.get(at as usize).cloned().unwrap_or_default() } else { String::new() }
            };
            chart
                .configure_mesh()
                .disable_x_mesh()
                .x_labels(2 * columns.len() + 1)
                .x_label_formatter(&name)
                .y_desc("per cent")
                .light_line_style(PAPER)
                .bold_line_style(GRID)
                .axis_style(INK)
                .label_style(("sans-serif", 14).into_font().color(&INK))
                .draw()?;
            for (number, name) in series.iter().enumerate() {
                let colour = COLOURS[number % COLOURS.len()];
                let shift = 0.22 * (number as f64 - (series.len() - 1) as f64 / 2.0);
                let own = || points.iter().filter(|point| point.series == *name && !point.values.is_empty());
                let dots = own()
                    .flat_map(|point| point.values.iter().map(|value| (point.column as f64 + shift, 100.0 * value)));
                chart
                    .draw_series(dots.map(|at| Circle::new(at, 4, colour.filled())))?
                    .label(*name)
                    .legend(move |(x, y)| Circle::new((x + 8, y), 4, colour.filled()));
                let bars = own().map(|point| {
                    let mean = 100.0 * point.values.iter().sum::<f64>() / point.values.len() as f64;
                    let x = point.column as f64 + shift;
                    PathElement::new(vec![(x - 0.08, mean), (x + 0.08, mean)], colour.stroke_width(3))
                });
                chart.draw_series(bars)?;
            }
            let legend = ("sans-serif", 14).into_font().color(&INK);
            chart.configure_series_labels().background_style(PAPER).border_style(GRID).label_font(legend).draw()?;
            area.present()?;
            Ok(())
        };
        draw().map_err(|error| anyhow!("cannot draw the study: {error}"))?;
    }
    Ok(svg)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    #[test]
    fn every_run_is_a_dot_and_every_series_in_the_legend() {
        let columns = ["one".to_owned(), "two".to_owned()];
        let point = |column, series: &str, values: &[f64]| StudyPoint {
            column,
            series: series.into(),
            values: values.to_vec(),
        };
        let points = [point(0, "T 0.1", &[0.5, 0.6]), point(1, "T 0.1", &[0.7]), point(1, "T 0.2", &[0.65])];
        let svg = study_svg("a study", &columns, &points).unwrap();
        assert_eq!(svg.matches("<circle").count(), 4 + 2, "runs and legend");
        for text in ["one", "two", "T 0.1", "T 0.2", "a study"] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(study_svg("nothing", &columns, &[]).is_err());
    }
}
