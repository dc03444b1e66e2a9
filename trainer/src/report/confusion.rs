//! The picture of a confusion matrix: rows are the true classes, columns the predicted ones.

use anyhow::{Result, anyhow};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

const INK: RGBColor = RGBColor(38, 50, 56);
const PAPER: RGBColor = RGBColor(255, 255, 255);
/// A full cell; an empty one is nearly paper.
const FULL: RGBColor = RGBColor(0, 84, 148);
const EMPTY: RGBColor = RGBColor(244, 247, 250);
const CELL_PX: i32 = 62;
const LEFT_PX: i32 = 190;
const TOP_PX: i32 = 84;
const BOTTOM_PX: i32 = 150;
const RIGHT_PX: i32 = 30;

/// `counts[true class][predicted class]` as an SVG document; a cell's shade is its share of the row.
///
/// # Errors
/// When the matrix is not square with one row a class, or drawing fails.
pub fn confusion_svg(title: &str, subtitle: &str, classes: &[String], counts: &[Vec<usize>]) -> Result<String> {
    if counts.len() != classes.len() || counts.iter().any(|row| row.len() != classes.len()) {
        return Err(anyhow!("a confusion matrix of {} classes needs as many rows and columns", classes.len()));
    }
    let side = CELL_PX * classes.len() as i32;
    let size = ((LEFT_PX + side + RIGHT_PX).max(640) as u32, (TOP_PX + side + BOTTOM_PX) as u32);
    let mut svg = String::new();
    draw(&mut svg, size, title, subtitle, classes, counts)
        .map_err(|error| anyhow!("cannot draw the matrix: {error}"))?;
    Ok(svg)
}

fn draw(
    svg: &mut String,
    size: (u32, u32),
    title: &str,
    subtitle: &str,
    classes: &[String],
    counts: &[Vec<usize>],
) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(svg, size).into_drawing_area();
    root.fill(&PAPER)?;
    let text = |size: u32, colour: RGBColor, h: HPos| {
        ("sans-serif", size).into_font().color(&colour).pos(Pos::new(h, VPos::Center))
    };
    let side = CELL_PX * classes.len() as i32;
    root.draw(&Text::new(title.to_owned(), (20, 26), text(22, INK, HPos::Left)))?;
    root.draw(&Text::new(subtitle.to_owned(), (20, 54), text(14, INK, HPos::Left)))?;
    for (row, class) in classes.iter().enumerate() {
        let middle = row as i32 * CELL_PX + CELL_PX / 2;
        root.draw(&Text::new(class.clone(), (LEFT_PX - 10, TOP_PX + middle), text(14, INK, HPos::Right)))?;
        // Turned by a quarter, read upwards; the anchor is then the text's end at the matrix.
        let upright = ("sans-serif", 14).into_font().transform(FontTransform::Rotate270).color(&INK);
        let upright = upright.pos(Pos::new(HPos::Right, VPos::Center));
        root.draw(&Text::new(class.clone(), (LEFT_PX + middle, TOP_PX + side + 10), upright))?;
    }
    for (row, line) in counts.iter().enumerate() {
        let total = line.iter().sum::<usize>().max(1);
        for (column, &count) in line.iter().enumerate() {
            let share = count as f64 / total as f64;
            let (x, y) = (LEFT_PX + column as i32 * CELL_PX, TOP_PX + row as i32 * CELL_PX);
            let cell = [(x + 1, y + 1), (x + CELL_PX - 1, y + CELL_PX - 1)];
            // The square root lets rare confusions show.
            root.draw(&Rectangle::new(cell, blend(share.sqrt()).filled()))?;
            if count > 0 {
                let ink = if share.sqrt() > 0.55 { PAPER } else { INK };
                let middle = (x + CELL_PX / 2, y + CELL_PX / 2);
                root.draw(&Text::new(count.to_string(), middle, text(15, ink, HPos::Center)))?;
            }
        }
    }
    let caption = (LEFT_PX + side / 2, TOP_PX + side + BOTTOM_PX - 16);
    root.draw(&Text::new("predicted class".to_owned(), caption, text(15, INK, HPos::Center)))?;
    let turned = ("sans-serif", 15).into_font().transform(FontTransform::Rotate270).color(&INK);
    let turned = turned.pos(Pos::new(HPos::Center, VPos::Center));
    root.draw(&Text::new("true class".to_owned(), (20, TOP_PX + side / 2), turned))?;
    root.present()?;
    Ok(())
}

/// From [`EMPTY`] at 0 to [`FULL`] at 1.
fn blend(share: f64) -> RGBColor {
    let mix = |from: u8, to: u8| (f64::from(from) + (f64::from(to) - f64::from(from)) * share.clamp(0.0, 1.0)) as u8;
    RGBColor(mix(EMPTY.0, FULL.0), mix(EMPTY.1, FULL.1), mix(EMPTY.2, FULL.2))
}
