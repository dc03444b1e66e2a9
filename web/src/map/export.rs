//! A selection as a file: CSV for a spreadsheet, JSON for programs.

use serde_json::{Value, json};

use super::colour::Votes;
use super::data::{MapData, Projection};
use crate::report::quoted;

/// One line a tile: row in the gallery, name, class, what the neighbours vote for and how many, place on the map.
#[must_use]
pub fn csv(data: &MapData, votes: &Votes, projection: Projection, rows: &[usize]) -> String {
    let mut text = String::from("index,name,class,predicted,confidence,x,y\n");
    for &row in rows {
        let [x, y] = data.layout(projection).points[row];
        let class = data.class(row).unwrap_or_default();
        let predicted = predicted(data, votes, row).unwrap_or_default();
        let share = confidence(data, votes, row).map(|share| format!("{share:.4}")).unwrap_or_default();
        let fields = [quoted(&data.names[row]), quoted(class), quoted(predicted), share];
        text.push_str(&format!("{row},{},{x:.5},{y:.5}\n", fields.join(",")));
    }
    text
}

/// The same, with where it comes from.
#[must_use]
pub fn json(data: &MapData, votes: &Votes, projection: Projection, rows: &[usize]) -> String {
    let tiles: Vec<Value> = rows
        .iter()
        .map(|&row| {
            json!({
                "index": row,
                "name": data.names[row],
                "class": data.class(row),
                "predicted": predicted(data, votes, row),
                "confidence": confidence(data, votes, row),
                "place": data.layout(projection).points[row],
            })
        })
        .collect();
    let document = json!({
        "format_version": 1,
        "model": data.card.model,
        "layout": if projection == Projection::Components { "pca" } else { data.card.layout.as_str() },
        "gallery_tiles": data.count(),
        "credit": data.card.gallery.credit,
        "tiles": tiles,
    });
    format!("{document:#}\n")
}

/// The class that a tile's neighbours vote for.
#[must_use]
pub fn predicted<'a>(data: &'a MapData, votes: &Votes, row: usize) -> Option<&'a str> {
    data.card.classes.get(usize::from(*votes.predicted.get(row)?)).map(String::as_str)
}

fn confidence(data: &MapData, votes: &Votes, row: usize) -> Option<f32> {
    predicted(data, votes, row).and_then(|_| votes.share.get(row).copied())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::super::data::tests::data;
    use super::*;

    #[test]
    fn both_files_hold_the_selected_rows_and_no_others() {
        let data = data(&["a,1", "b", "=c"], &[0, 1, u16::MAX], &[[0.0, 0.0], [2.0, 2.0], [1.0, 0.0]]);
        let votes = Votes { predicted: vec![1, u16::MAX, 0], share: vec![0.75, 0.0, 1.0], ..Votes::default() };
        let text = csv(&data, &votes, Projection::Neighbours, &[0, 2]);
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            ["0,\"a,1\",Forest,SeaLake,0.7500,-1.00000,-1.00000", "2,'=c,,Forest,1.0000,0.00000,-1.00000"]
        );
        let document: Value = serde_json::from_str(&json(&data, &votes, Projection::Components, &[1])).unwrap();
        assert_eq!(document["tiles"].as_array().unwrap().len(), 1);
        assert_eq!(document["tiles"][0]["class"], "SeaLake");
        assert_eq!(document["tiles"][0]["predicted"], Value::Null);
        assert_eq!(document["layout"], "pca");
    }
}
