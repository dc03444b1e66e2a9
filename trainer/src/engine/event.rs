//! What a training run tells the world. The enum is closed: the terminal, the JSON lines and the tests each handle
//! every case.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One thing that happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The run is set up; the first step follows.
    RunStarted {
        /// Where everything is written.
        run_dir: PathBuf,
        /// For example `seco`.
        method: String,
        /// For example `cpu`.
        device: String,
        /// Trainable parameters of the encoder.
        parameters: usize,
        /// Optimiser steps an epoch.
        steps_per_epoch: usize,
        /// Epochs in all.
        epochs: usize,
    },
    /// The run goes on from a checkpoint.
    Resumed {
        /// Optimiser steps done so far.
        step: usize,
    },
    /// An optimiser step is done.
    Step {
        /// Steps done so far, this one included.
        step: usize,
        /// Epoch of this step, from 0.
        epoch: usize,
        /// The loss that was minimised.
        loss: f64,
        /// Its parts by name.
        parts: Vec<(String, f64)>,
        /// Learning rate of this step.
        lr: f64,
        /// Source tiles a second, recent average.
        tiles_per_sec: f64,
        /// Estimated seconds until the end.
        eta_secs: f64,
        /// Spread of the L2-normalised query embeddings: mean standard deviation over dimensions × √width. About 1 is
        /// healthy, 0 means that every tile gets the same embedding.
        spread: f64,
        /// Share of queries whose positive has the highest logit.
        contrastive_accuracy: f64,
    },
    /// Part of a long piece of work between steps is done; shown, not logged.
    Progress {
        /// What, for example `tiles embedded`.
        what: String,
        /// How many so far.
        done: usize,
        /// Of how many.
        total: usize,
    },
    /// A method has clustered the data anew.
    Clustered {
        /// The epoch that starts with these clusters, from 0.
        epoch: usize,
        /// Clusters asked for.
        clusters: usize,
        /// Those without a tile.
        empty: usize,
        /// Tiles of the smallest that has any.
        smallest: usize,
        /// Tiles of the largest.
        largest: usize,
        /// Empty clusters that were re-seeded on the way.
        reseeded: usize,
        /// Normalised mutual information with the clustering before.
        stability: Option<f64>,
        /// Seconds it took.
        secs: f64,
    },
    /// A generator's tiles are on disk.
    Generated {
        /// The epoch that has ended, from 0.
        epoch: usize,
        /// The picture, inside the run folder.
        path: PathBuf,
        /// How much the tiles differ from each other, as a share of how much real ones do: about 1 is healthy, 0 means
        /// that all are the same.
        spread: f64,
    },
    /// An epoch is done.
    EpochEnded {
        /// Which, from 0.
        epoch: usize,
        /// Mean loss over its steps.
        loss: f64,
        /// k-NN accuracy of the query encoder on the labelled probe set, if there is one and it was due.
        knn_accuracy: Option<f64>,
        /// Seconds it took.
        secs: f64,
    },
    /// A checkpoint is on disk.
    Checkpoint {
        /// Steps done so far.
        step: usize,
        /// The file.
        path: PathBuf,
    },
    /// Something went wrong that does not end the run.
    Warning {
        /// What, where.
        what: String,
        /// How many times so far.
        count: usize,
    },
    /// The run was asked to stop; its state is saved.
    Interrupted {
        /// Steps done so far.
        step: usize,
    },
    /// The run is complete.
    Finished {
        /// Steps done.
        steps: usize,
        /// Seconds it took, since the last resume.
        secs: f64,
    },
}
