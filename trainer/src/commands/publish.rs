//! `trainer publish`: the index files that tell the page what lies in its folders, with sizes and checksums; sample tiles;
//! and the native answers that the browser tests compare with.

use crate::report::Reporter;
use crate::site::Publication;
use anyhow::Result;
use std::path::PathBuf;

/// What can be typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  trainer export --encoder runs/first --data tiles.tar --name compact --out public/models --gallery public/gallery
  trainer publish --site public --model compact --data tiles.tar --test-split test.csv

Writes models/index.json, models/expected.json, gallery/index.json and samples/ below --site. Galleries
that `trainer embed --out gallery/NAME` wrote with the same model are offered on the page as larger ones. Samples are tiles of the
test list, as many of each class; a picture that is less similar to everything in the gallery than all but 1 % of the
test tiles will be called unlike anything in it.")]
pub struct PublishArgs {
    /// Folder that the page serves, with models/NAME.safetensors and gallery/ in it
    #[arg(long, value_name = "DIR")]
    pub site: PathBuf,
    /// Name of the model to start with
    #[arg(long, value_name = "NAME")]
    pub model: String,
    /// What people call it [default: its name]
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// Folder of class folders, or a tar of one; or kind=…,path=…,file_bands=[…] with any key of a [[data]] table
    #[arg(long, value_name = "DIR|TAR")]
    pub data: PathBuf,
    /// List of tiles that the model has not learned from
    #[arg(long, value_name = "FILE")]
    pub test_split: PathBuf,
    /// Sample tiles of each class
    #[arg(long, default_value_t = 2, value_name = "COUNT")]
    pub samples: usize,
    /// Source, licence and credit of the samples
    #[arg(long, default_value = "not stated", value_name = "TEXT")]
    pub credit: String,
}

/// Runs the command.
///
/// # Errors
/// When the model or its gallery is not there, or the disk refuses.
pub fn run(args: &PublishArgs, reporter: &mut Reporter<'_>) -> Result<()> {
    let publication = Publication {
        site: &args.site,
        model: &args.model,
        title: args.title.as_deref(),
        data: &args.data,
        test_split: &args.test_split,
        samples: args.samples,
        credit: &args.credit,
    };
    publication.write(reporter)
}
