//! The rules, from the outside in.

/// Words that must not occur in some folders.
#[derive(Clone, Copy)]
pub struct Rule<'a> {
    /// The rule, as a sentence.
    pub what: &'a str,
    /// Where it holds: beginnings of paths.
    pub folders: &'a [&'a str],
    /// Files in there where it does not, and why.
    pub excused: &'a [(&'a str, &'a str)],
    /// What breaks it.
    pub forbidden: &'a [&'a str],
}

impl Rule<'_> {
    /// Whether the rule holds for a file; an excused one is among them.
    pub fn is_about(&self, path: &str) -> bool {
        self.folders.iter().any(|folder| path.starts_with(folder))
    }
}

/// Circles of files that are left as they are: their crate, their modules in order, and why.
pub const EXCUSED_CIRCLES: &[(&str, &[&str], &str)] = &[
    ("trainer/src", &["data::layout", "data::lists"], "a list is a layout, and a layout may have lists"),
    (
        "web/src",
        &["components::samples", "components::scene_samples", "pages::scene::list", "pages::scene::state"],
        "samples open scenes, and scenes are among the samples",
    ),
    (
        "web/src",
        &["pages::explore::dots", "pages::explore::draw", "pages::explore::overlay"],
        "one painter in three files",
    ),
    ("web/src", &["pages::scene::canvas", "pages::scene::detail"], "one view at two scales"),
    ("web/src", &["pages::seasons::own", "pages::seasons::state"], "the user's pictures are part of the state"),
    ("web/src", &["scene::card", "scene::doubt"], "what is said of a place, sure or not"),
];

/// All of them.
pub const RULES: &[Rule<'static>] = &[
    Rule {
        what: "shared does no I/O, reads no clock, starts nothing, prints nothing",
        folders: &["shared/src/"],
        excused: &[("shared/src/pytorch.rs", "PyTorch's archives are sought in, and their reader opens them itself")],
        forbidden: &[
            "std::fs",
            "std::path",
            "std::io",
            "std::net",
            "std::env",
            "std::process",
            "std::thread",
            "std::time",
            "println!",
            "eprintln!",
            "print!",
        ],
    },
    Rule {
        what: "pixels are resized by shared::preprocess alone, so that browser and trainer cannot disagree",
        folders: &["trainer/src/", "web/src/"],
        excused: &[],
        forbidden: &[
            "imageops::resize",
            "imageops::thumbnail",
            ".resize_exact(",
            ".resize_to_fill(",
            "fast_image_resize",
        ],
    },
    Rule {
        what: "only web/src/engine/runtime.rs names Burn",
        folders: &["web/src/"],
        excused: &[("web/src/engine/runtime.rs", "it is the named file")],
        forbidden: &["burn::", "use burn"],
    },
    Rule {
        what: "components know nothing of pages",
        folders: &["web/src/components/"],
        excused: &[
            ("web/src/components/address_field.rs", "opens a scene"),
            ("web/src/components/batch_table.rs", "has cells for the user's own labels"),
            ("web/src/components/own_bars.rs", "shows the user's own labels"),
            ("web/src/components/result.rs", "shows the user's own labels, opens a scene"),
            ("web/src/components/samples.rs", "opens a scene"),
            ("web/src/components/scene_samples.rs", "opens a scene"),
        ],
        forbidden: &["crate::pages"],
    },
    Rule {
        what: "methods know nothing of files, evaluation, commands and reports",
        folders: &["trainer/src/methods/"],
        excused: &[("trainer/src/methods/distill/config.rs", "names the teacher's file, and opens none")],
        forbidden: &[
            "std::fs",
            "std::path",
            "std::io",
            "crate::data",
            "crate::eval",
            "crate::export",
            "crate::commands",
            "crate::report",
        ],
    },
    Rule {
        what: "rooms know nothing of what can be typed: commands call them",
        folders: &[
            "trainer/src/benchmark/",
            "trainer/src/data/",
            "trainer/src/engine/",
            "trainer/src/eval/",
            "trainer/src/export/",
            "trainer/src/inspection/",
            "trainer/src/pretrain/",
            "trainer/src/report/",
            "trainer/src/site/",
            "trainer/src/study/",
            "trainer/src/superres/",
        ],
        excused: &[],
        forbidden: &["crate::commands", "crate::cli", "clap::Args"],
    },
    Rule {
        what: "losses hold no state, no configuration, no device",
        folders: &["trainer/src/losses/"],
        excused: &[],
        forbidden: &["Device", "Serialize", "crate::config", "crate::methods", "crate::engine"],
    },
    Rule {
        what: "parts and views know nothing of methods, the loop and evaluation",
        folders: &["trainer/src/parts/", "trainer/src/views/"],
        excused: &[],
        forbidden: &["crate::methods", "crate::engine", "crate::eval", "crate::commands", "crate::report"],
    },
    Rule {
        what: "the loop knows no method by name",
        folders: &["trainer/src/engine/"],
        excused: &[],
        forbidden: &[
            "MethodConfig",
            "methods::seco",
            "methods::moco",
            "Seco ",
            "Seco(",
            "Moco",
            "DeeperCluster",
            "Marta",
        ],
    },
    Rule {
        what: "nothing is printed outside report and main.rs",
        folders: &["trainer/src/", "trainer/gather/src/", "trainer/serve/src/", "web/src/"],
        excused: &[("trainer/src/main.rs", "hands both streams over")],
        forbidden: &["println!", "eprintln!", "io::stdout", "io::stderr", "&mut stdout()", "&mut stderr()"],
    },
    Rule {
        what: "files appear whole or not at all: atomic-file alone writes them",
        folders: &["trainer/src/", "trainer/gather/src/", "trainer/serve/src/"],
        excused: &[
            (
                "trainer/gather/src/download.rs",
                "a download grows under another name, and takes its own when its checksum is right",
            ),
            ("trainer/gather/src/store.rs", "a place is a folder that appears whole"),
            ("trainer/src/engine/checkpoint.rs", "gives a damaged file another name"),
        ],
        forbidden: &["fs::write(", "fs::rename(", " File::create(", "fs::File::create(", ".persist("],
    },
    Rule {
        what: "gathering and serving know nothing of Burn",
        folders: &["trainer/gather/src/", "trainer/serve/src/"],
        excused: &[],
        forbidden: &["burn::", "use burn"],
    },
];
