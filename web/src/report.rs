//! Answers as text: CSV for a spreadsheet, JSON with everything, embeddings included.

use serde_json::{Value, json};

use crate::decimal::decimal;
use crate::engine::protocol::ModelCard;
use crate::label::own::OwnClasses;
use crate::state::{Outcome, TileEntry};

/// One line a tile: name, class, probability, nearest tile, milliseconds, error; and the user's own class, its probability
/// and the user's mark, when there are own classes.
#[must_use]
pub fn csv(card: &ModelCard, tiles: &[TileEntry], own: &OwnClasses) -> String {
    let mut text = String::from(
        "file,class,probability,best_similarity,nearest_tile,unlike_known,why_unlike,device,encoder_ms,error",
    );
    text.push_str(if own.is_empty() { "\n" } else { ",own_class,own_probability,own_mark\n" });
    for (index, tile) in tiles.iter().enumerate() {
        let fields = match &tile.outcome {
            Outcome::Answered(answer, bundle) => {
                let top = answer.ranking().first().copied();
                let nearest = answer.neighbours.first();
                [
                    top.and_then(|class| card.classes.get(class)).cloned().unwrap_or_default(),
                    top.map(|class| format!("{:.4}", answer.probabilities[class])).unwrap_or_default(),
                    nearest.map(|nearest| format!("{:.4}", nearest.similarity)).unwrap_or_default(),
                    nearest.map(|nearest| nearest.name.clone()).unwrap_or_default(),
                    // Without a gallery it is not known unless the picture itself tells.
                    match answer.is_unlike() {
                        false if answer.unlike_gallery.is_none() => String::new(),
                        is_unlike => is_unlike.to_string(),
                    },
                    answer.doubts.iter().map(|doubt| doubt.label()).collect::<Vec<_>>().join("; "),
                    bundle.label().to_owned(),
                    format!("{:.2}", answer.encoder_ms),
                    String::new(),
                ]
            }
            Outcome::Undecodable(problem) => {
                let mut fields: [String; 9] = Default::default();
                fields[8] = format!("{}: {}", problem.what, problem.why);
                fields
            }
            Outcome::Waiting => Default::default(),
        };
        let mut line: Vec<String> = std::iter::once(&tile.name).chain(&fields).map(|field| quoted(field)).collect();
        if !own.is_empty() {
            let (class, share) = own.class(index).unzip();
            line.push(quoted(class.unwrap_or_default()));
            line.push(share.map(|share| format!("{share:.4}")).unwrap_or_default());
            line.push(quoted(own.mark(index).unwrap_or_default()));
        }
        text.push_str(&line.join(","));
        text.push('\n');
    }
    text
}

/// A field as RFC 4180 wants it; a leading sign that a spreadsheet would run as a formula is defused.
pub(crate) fn quoted(field: &str) -> String {
    let is_formula =
        field.starts_with(['=', '+', '@', '\t', '\r']) || (field.starts_with('-') && decimal(field).is_none());
    let field = if is_formula { format!("'{field}") } else { field.to_owned() };
    if field.contains([',', '"', '\n', '\r']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field }
}

/// Everything that is known of each tile, embeddings included.
#[must_use]
pub fn json(card: &ModelCard, tiles: &[TileEntry], own: &OwnClasses) -> String {
    let mut entries: Vec<Value> = tiles
        .iter()
        .map(|tile| match &tile.outcome {
            Outcome::Answered(answer, bundle) => json!({
                "file": tile.name,
                "class": answer.ranking().first().and_then(|&class| card.classes.get(class)),
                "probabilities": answer.probabilities,
                "embedding": answer.embedding,
                "neighbours": answer.neighbours,
                "unlike_gallery": answer.unlike_gallery,
                "doubts": answer.doubts,
                "width": answer.width,
                "height": answer.height,
                "format": answer.format,
                "device": bundle.label(),
                "encoder_ms": answer.encoder_ms,
                "decode_ms": answer.decode_ms,
            }),
            Outcome::Undecodable(problem) => json!({ "file": tile.name, "error": problem }),
            Outcome::Waiting => json!({ "file": tile.name }),
        })
        .collect();
    if !own.is_empty() {
        for (index, entry) in entries.iter_mut().enumerate() {
            let probabilities = own.tiles.get(index).map(|own| own.probabilities.as_slice()).unwrap_or_default();
            let class = own.class(index).map(|(class, _)| class);
            entry["own"] = json!({ "class": class, "mark": own.mark(index), "probabilities": probabilities });
        }
    }
    let mut document = json!({
        "format_version": 1,
        "model": card.name,
        "classes": card.classes,
        "embedding_width": card.embedding_width,
        "tiles": entries,
    });
    if !own.is_empty() {
        document["own_classes"] = json!(own.learned);
    }
    format!("{document:#}\n")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;
    use crate::engine::protocol::{Answer, Bundle, Neighbour};
    use crate::label::own::Own;
    use crate::problem::Problem;

    fn card() -> ModelCard {
        ModelCard { name: "m".into(), classes: vec!["Forest".into(), "River".into()], ..ModelCard::default() }
    }

    fn answered(name: &str) -> TileEntry {
        let neighbour = Neighbour { index: 3, name: "River_9.jpg".into(), class: "River".into(), similarity: 0.875 };
        let answer = Answer {
            height: 64,
            width: 64,
            bands: 3,
            format: "JPEG".into(),
            taken: crate::scene::reading::Taken::default(),
            embedding: vec![0.5, -2.0],
            probabilities: vec![0.25, 0.75],
            neighbours: vec![neighbour],
            unlike_gallery: Some(false),
            doubts: Vec::new(),
            decode_ms: 0.5,
            encoder_ms: 4.0,
        };
        TileEntry { name: name.into(), picture: None, outcome: Outcome::Answered(Box::new(answer), Bundle::Cpu) }
    }

    #[test]
    fn csv_has_one_line_a_tile_and_names_the_error_of_a_bad_one() {
        let problem = Problem::new("no picture", "it is text, mostly", "use a PNG");
        let bad = TileEntry { name: "a.png".into(), picture: None, outcome: Outcome::Undecodable(problem) };
        let text = csv(&card(), &[answered("r.jpg"), bad], &OwnClasses::default());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "r.jpg,River,0.7500,0.8750,River_9.jpg,false,,CPU,4.00,");
        assert_eq!(lines[2], "a.png,,,,,,,,,\"no picture: it is text, mostly\"");
    }

    #[test]
    fn own_classes_stand_beside_the_models() {
        let own = OwnClasses {
            named: vec!["New".into(), "Wet, deep".into(), "=Dry".into()],
            learned: vec!["Wet, deep".into(), "=Dry".into()],
            tiles: std::sync::Arc::new(vec![
                Own { mark: Some(1), probabilities: vec![0.75, 0.25] },
                Own { mark: None, probabilities: vec![0.125, 0.875] },
                Own::default(),
            ]),
        };
        let waiting = TileEntry { name: "w.jpg".into(), picture: None, outcome: Outcome::Waiting };
        let tiles = [answered("a.jpg"), answered("b.jpg"), waiting];
        let text = csv(&card(), &tiles, &own);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].ends_with(",error,own_class,own_probability,own_mark"), "{}", lines[0]);
        assert!(lines[1].ends_with(",4.00,,\"Wet, deep\",0.7500,\"Wet, deep\""), "{}", lines[1]);
        assert!(lines[2].ends_with(",4.00,,'=Dry,0.8750,"), "{}", lines[2]);
        assert_eq!(lines[3], "w.jpg,,,,,,,,,,,,");
        let document: Value = serde_json::from_str(&json(&card(), &tiles, &own)).unwrap();
        assert_eq!(document["own_classes"], json!(["Wet, deep", "=Dry"]));
        assert_eq!(
            document["tiles"][1]["own"],
            json!({ "class": "=Dry", "mark": null, "probabilities": [0.125, 0.875] })
        );
        assert_eq!(document["tiles"][0]["class"], "River", "the model's own class stays");
    }

    #[test]
    fn a_file_name_cannot_become_a_formula_or_another_column() {
        assert_eq!(quoted("=HYPERLINK(1)"), "'=HYPERLINK(1)");
        assert_eq!(quoted("-cmd"), "'-cmd");
        assert_eq!(quoted("\t=1+1"), "'\t=1+1");
        assert_eq!(quoted("\r=1+1"), "\"'\r=1+1\"");
        assert_eq!(quoted("-0.5"), "-0.5");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
    }

    #[test]
    fn json_carries_the_embedding() {
        let document: Value =
            serde_json::from_str(&json(&card(), &[answered("r.jpg")], &OwnClasses::default())).unwrap();
        assert_eq!(document["tiles"][0]["class"], "River");
        assert_eq!(document["tiles"][0]["embedding"], json!([0.5, -2.0]));
    }
}
