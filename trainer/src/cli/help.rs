//! The text below the flags of a command: paragraphs flow to the width of the terminal, and examples that are too long for a line
//! are broken so that they can still be copied.

/// Columns of examples and lists: what is left of help that is no terminal's.
const COLUMNS: usize = 98;
/// Where the rest of a broken example begins.
const INDENT: &str = "      ";

/// `text` with every paragraph on one line, which clap wraps, and lines that begin with two spaces (examples, lists) broken at
/// [`COLUMNS`].
pub(super) fn flowing(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut is_open = false;
    for line in text.lines() {
        let is_set = line.starts_with("  ");
        match lines.last_mut() {
            // The rest of an example.
            Some(last) if is_set && last.ends_with('\\') => {
                last.truncate(last.trim_end_matches('\\').trim_end().len());
                last.push(' ');
                last.push_str(line.trim_start());
            }
            Some(last) if is_open && !is_set && !line.is_empty() => {
                last.push(' ');
                last.push_str(line);
            }
            _ => lines.push(line.to_owned()),
        }
        is_open = !is_set && !line.is_empty();
    }
    let broken = lines.iter().map(|line| if line.starts_with("  ") { set(line) } else { line.clone() });
    broken.collect::<Vec<_>>().join("\n")
}

/// One line of an example or of a list.
fn set(line: &str) -> String {
    if line.chars().count() <= COLUMNS {
        return line.to_owned();
    }
    let is_example = ["trainer ", "cargo ", "man "].iter().any(|program| line.trim_start().starts_with(program));
    if !is_example {
        // What is explained stands in a column of its own.
        let column = line.trim_end().rfind("  ").map_or(2, |at| at + 2);
        let (name, rest) = line.split_at(column);
        return wrapped(name, rest, &" ".repeat(name.chars().count()), "");
    }
    let (example, remark) = line.split_once("   (").unwrap_or((line, ""));
    let mut text = wrapped("  ", example, INDENT, " \\");
    if !remark.is_empty() {
        text.push_str(&format!("\n{INDENT}({remark}"));
    }
    text
}

/// The words of `rest` behind `first`, then behind `indent`, each line but the last with `end` behind it.
fn wrapped(first: &str, rest: &str, indent: &str, end: &str) -> String {
    let mut text = String::new();
    let mut line = first.to_owned();
    let mut is_empty = true;
    for word in rest.split_whitespace() {
        let needed = line.chars().count() + 1 + word.chars().count() + end.chars().count();
        if !is_empty && needed > COLUMNS {
            text.push_str(&line);
            text.push_str(end);
            text.push('\n');
            indent.clone_into(&mut line);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    text + &line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command;

    #[test]
    fn paragraphs_are_one_line_and_lists_keep_theirs() {
        let text = "Examples:\n  trainer a\n  trainer b \\\n      --c d\n\nOne\ntwo.\n\nNames:\n  x   the first\nafter";
        let expected = "Examples:\n  trainer a\n  trainer b --c d\n\nOne two.\n\nNames:\n  x   the first\nafter";
        assert_eq!(flowing(text), expected);
        let long = format!("  name   {}", "word ".repeat(30).trim_end());
        let set = flowing(&long);
        let rest: Vec<&str> = set.lines().skip(1).collect();
        assert!(!rest.is_empty() && rest.iter().all(|line| line.starts_with("         word")), "{set}");
    }

    /// Every example of every command, copied as it is shown and joined as a shell does, is one command of the program.
    #[test]
    fn examples_can_be_copied() {
        let mut examples = 0;
        for subcommand in command().get_subcommands() {
            let text = subcommand.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(text.lines().all(|line| !line.starts_with("  ") || line.chars().count() <= COLUMNS), "{text}");
            for line in text.replace("\\\n", " ").lines().filter(|line| line.starts_with("  trainer ")) {
                let example = line.split("   (").next().unwrap_or(line);
                let example = example.split(['>', '…']).next().unwrap_or(example);
                let words: Vec<&str> = example.split_whitespace().map(|word| word.trim_matches('\'')).collect();
                let is_whole = !line.contains('…');
                let parsed = command().try_get_matches_from(&words);
                // Without gathering there is nothing to parse its flags by.
                let is_left_out = words.get(1) == Some(&"gather") && cfg!(not(feature = "gather"));
                assert!(
                    !is_whole || is_left_out || parsed.is_ok(),
                    "{example}\n{:?}",
                    parsed.err().map(|e| e.to_string())
                );
                examples += 1;
            }
        }
        assert!(examples > 30, "{examples} examples");
    }
}
