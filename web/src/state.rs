//! What the page knows, as values: one enum for what it is doing, and the facts beside it.

use crate::engine::protocol::{Answer, Bundle, GalleryCard, SelfTest};
use crate::problem::Problem;

/// What the page is doing. Exactly one of these is true at any time.
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    /// Finding out what this browser can do, or proving it; the text says which.
    Probing(String),
    /// Fetching what the first answer needs: the model and this worker. [`Transfers`] has the bytes.
    Downloading(Bundle),
    /// Waiting for tiles.
    Ready,
    /// Classifying.
    Running {
        /// Tiles answered.
        done: usize,
        /// Tiles asked for.
        total: usize,
    },
    /// Something that a retry may cure.
    Failed(Problem),
    /// Something that this browser cannot do.
    Unsupported(Problem),
}

impl Phase {
    /// True when tiles can be sent to a worker.
    #[must_use]
    pub const fn is_able(&self) -> bool {
        matches!(self, Self::Ready | Self::Running { .. })
    }
}

/// Bytes that came, and that will have come in all; all 0 for what is not wanted, or of unknown size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transfer {
    /// So far.
    pub received: u64,
    /// In all, from an index file: a compressed answer does not know its length.
    pub total: u64,
}

/// The large files on their way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transfers {
    /// The model.
    pub model: Transfer,
    /// The CPU worker.
    pub cpu: Transfer,
    /// The WebGPU worker.
    pub gpu: Transfer,
}

impl Transfers {
    /// The one of a worker.
    #[must_use]
    pub const fn of(&self, bundle: Bundle) -> &Transfer {
        match bundle {
            Bundle::Cpu => &self.cpu,
            Bundle::Gpu => &self.gpu,
        }
    }

    /// The same, to be changed.
    pub const fn of_mut(&mut self, bundle: Bundle) -> &mut Transfer {
        match bundle {
            Bundle::Cpu => &mut self.cpu,
            Bundle::Gpu => &mut self.gpu,
        }
    }

    /// The model and one worker together: what the first answer needs.
    #[must_use]
    pub fn with(&self, bundle: Bundle) -> Transfer {
        let parts = [&self.model, self.of(bundle)];
        Transfer {
            received: parts.iter().map(|part| part.received.min(part.total)).sum(),
            total: parts.iter().map(|part| part.total).sum(),
        }
    }
}

/// Which device the user wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preference {
    /// The faster of those that prove themselves.
    #[default]
    Auto,
    /// Always this one.
    Force(Bundle),
}

impl Preference {
    /// The spelling in the address and in the select box.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Force(Bundle::Cpu) => "cpu",
            Self::Force(Bundle::Gpu) => "webgpu",
        }
    }

    /// Reads [`Self::as_str`]; anything else is `Auto`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "cpu" => Self::Force(Bundle::Cpu),
            "webgpu" => Self::Force(Bundle::Gpu),
            _ => Self::Auto,
        }
    }

    /// False when the other bundle is forced.
    #[must_use]
    pub fn allows(self, bundle: Bundle) -> bool {
        self == Self::Auto || self == Self::Force(bundle)
    }
}

/// How far one device has come.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum DeviceState {
    /// Not looked at.
    #[default]
    Untried,
    /// Not to be had, or not wanted; the text says why.
    Absent(String),
    /// Its bundle is loading, or it is proving itself.
    Proving,
    /// Passed the golden test.
    Proven {
        /// Milliseconds a tile, warm.
        ms_per_tile: f64,
        /// The proof.
        self_test: SelfTest,
    },
    /// Tried and found wanting.
    Failed(Problem),
}

/// Both devices, and the one that answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Devices {
    /// Burn `flex` in WASM.
    pub cpu: DeviceState,
    /// Burn on WebGPU.
    pub gpu: DeviceState,
    /// What the adapter calls itself.
    pub adapter: Option<String>,
    /// How many workers the CPU would share a batch among.
    pub cpu_workers: usize,
    /// The one in use.
    pub active: Option<Bundle>,
    /// Why that one, in a sentence.
    pub why: String,
}

impl Devices {
    /// The state of one of them.
    #[must_use]
    pub const fn of(&self, bundle: Bundle) -> &DeviceState {
        match bundle {
            Bundle::Cpu => &self.cpu,
            Bundle::Gpu => &self.gpu,
        }
    }

    /// The same, to be changed.
    pub const fn of_mut(&mut self, bundle: Bundle) -> &mut DeviceState {
        match bundle {
            Bundle::Cpu => &mut self.cpu,
            Bundle::Gpu => &mut self.gpu,
        }
    }

    /// Picks the device that answers, and says why.
    ///
    /// `None` while nothing that is allowed has proven itself.
    pub fn choose(&mut self, preference: Preference) {
        let speed = |state: &DeviceState| match state {
            DeviceState::Proven { ms_per_tile, .. } => Some(*ms_per_tile),
            _ => None,
        };
        let (cpu, gpu) = (speed(&self.cpu), speed(&self.gpu));
        let (active, why) = match (preference, cpu, gpu) {
            (Preference::Force(Bundle::Cpu), Some(_), _) => (Some(Bundle::Cpu), "you chose it".to_owned()),
            (Preference::Force(Bundle::Gpu), _, Some(_)) => (Some(Bundle::Gpu), "you chose it".to_owned()),
            (Preference::Force(Bundle::Gpu), Some(_), None) => {
                (Some(Bundle::Cpu), format!("you chose WebGPU, but {}", self.gpu.excuse()))
            }
            (Preference::Force(Bundle::Cpu), None, Some(_)) => {
                (Some(Bundle::Gpu), format!("you chose the CPU, but {}", self.cpu.excuse()))
            }
            (Preference::Auto, Some(cpu), Some(gpu)) => {
                // A batch is shared among all workers of the CPU; a graphics device has one.
                let workers = self.cpu_workers.max(1);
                let shared = cpu / workers as f64;
                let cpu = match workers {
                    1 => format!("{cpu:.1} ms on the CPU"),
                    _ => format!("{shared:.1} ms on the CPU ({cpu:.1} ms on each of {workers} workers)"),
                };
                let active = if gpu <= shared { Bundle::Gpu } else { Bundle::Cpu };
                (Some(active), format!("measured here: {gpu:.1} ms a tile on WebGPU, {cpu}"))
            }
            (Preference::Auto, Some(_), None) => (Some(Bundle::Cpu), self.gpu.excuse()),
            (Preference::Auto, None, Some(_)) => (Some(Bundle::Gpu), self.cpu.excuse()),
            (_, None, None) => (None, String::new()),
        };
        self.active = active;
        self.why = why;
    }
}

impl DeviceState {
    /// Why this device does not answer, as the end of a sentence.
    #[must_use]
    pub fn excuse(&self) -> String {
        match self {
            Self::Untried => "the other device was not tried yet".to_owned(),
            Self::Absent(why) => why.clone(),
            Self::Proving => "the other device is still proving itself".to_owned(),
            Self::Proven { .. } => "the other device works too".to_owned(),
            Self::Failed(problem) => format!("{}: {}", problem.what, problem.why),
        }
    }
}

/// The workers in use, on all devices together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Crew {
    /// Those of the device that answers.
    pub workers: usize,
    /// WebAssembly memory of all workers, in bytes.
    pub memory_bytes: u64,
    /// Why there are fewer workers than there could be.
    pub trouble: Option<Problem>,
}

/// One tile on the page.
#[derive(Clone, Debug, PartialEq)]
pub struct TileEntry {
    /// File name.
    pub name: String,
    /// Something an `<img>` can show, once there is one.
    pub picture: Option<String>,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a tile.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Nothing yet.
    Waiting,
    /// Classified, and by which device.
    Answered(Box<Answer>, Bundle),
    /// Refused.
    Undecodable(Problem),
}

impl Outcome {
    /// The answer, when there is one.
    #[must_use]
    pub fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Answered(answer, _) => Some(answer),
            _ => None,
        }
    }
}

/// How far the gallery has come.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum GalleryState {
    /// Not there yet.
    #[default]
    Waiting,
    /// Searchable.
    Ready(GalleryCard),
    /// Could not be had; tiles are classified without it.
    Failed(Problem),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proven(ms_per_tile: f64) -> DeviceState {
        let self_test = SelfTest { max_relative_error: 1e-6, first_run_ms: 1.0 };
        DeviceState::Proven { ms_per_tile, self_test }
    }

    fn chosen(cpu: DeviceState, gpu: DeviceState, preference: Preference) -> (Option<Bundle>, String) {
        let mut devices = Devices { cpu, gpu, ..Devices::default() };
        devices.choose(preference);
        (devices.active, devices.why)
    }

    #[test]
    fn the_faster_device_answers_unless_one_is_forced() {
        assert_eq!(chosen(proven(8.0), proven(2.0), Preference::Auto).0, Some(Bundle::Gpu));
        assert_eq!(chosen(proven(8.0), proven(900.0), Preference::Auto).0, Some(Bundle::Cpu));
        assert_eq!(chosen(proven(8.0), proven(2.0), Preference::Force(Bundle::Cpu)).0, Some(Bundle::Cpu));
        assert_eq!(chosen(proven(8.0), proven(900.0), Preference::Force(Bundle::Gpu)).0, Some(Bundle::Gpu));
    }

    #[test]
    fn the_faster_is_told_against_all_workers_of_the_cpu() {
        let mut devices = Devices { cpu: proven(8.0), gpu: proven(2.0), cpu_workers: 8, ..Devices::default() };
        devices.choose(Preference::Auto);
        assert_eq!(devices.active, Some(Bundle::Cpu), "eight workers take a millisecond a tile");
        assert!(devices.why.contains("1.0 ms on the CPU (8.0 ms on each of 8 workers)"), "{}", devices.why);
        devices.cpu_workers = 2;
        devices.choose(Preference::Auto);
        assert_eq!(devices.active, Some(Bundle::Gpu));
    }

    #[test]
    fn what_is_not_to_be_had_is_replaced_and_the_reason_given() {
        let absent = || DeviceState::Absent("this browser has no WebGPU".into());
        for preference in [Preference::Auto, Preference::Force(Bundle::Gpu)] {
            let (active, why) = chosen(proven(8.0), absent(), preference);
            assert_eq!(active, Some(Bundle::Cpu));
            assert!(why.contains("no WebGPU"), "{why}");
        }
        assert_eq!(chosen(DeviceState::Proving, absent(), Preference::Auto).0, None);
    }

    #[test]
    fn the_sum_counts_only_what_is_of_known_size() {
        let mut transfers = Transfers { model: Transfer { received: 3, total: 10 }, ..Transfers::default() };
        transfers.of_mut(Bundle::Cpu).received = 50;
        assert_eq!(transfers.with(Bundle::Cpu), Transfer { received: 3, total: 10 });
        transfers.of_mut(Bundle::Cpu).total = 60;
        assert_eq!(transfers.with(Bundle::Cpu), Transfer { received: 53, total: 70 });
        assert_eq!(transfers.with(Bundle::Gpu), Transfer { received: 3, total: 10 });
    }

    #[test]
    fn a_preference_survives_its_spelling() {
        for preference in [Preference::Auto, Preference::Force(Bundle::Cpu), Preference::Force(Bundle::Gpu)] {
            assert_eq!(Preference::parse(preference.as_str()), preference);
        }
        assert_eq!(Preference::parse("quantum"), Preference::Auto);
    }
}
