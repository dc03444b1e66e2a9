//! Files written by PyTorch (`tests/reference/state_dicts.py`): the right tensors, with the right values, by the right names.

use std::collections::BTreeMap;

use shared::encoder::{Architecture, EncoderConfig, Stem};
use shared::pytorch::{PytorchError, detect_config, read_state_dict};
use shared::tensors::{NamedTensor, TensorMap, into_map};

use crate::fixture;

/// Torchvision's names and shapes by architecture, without classifier and counters.
fn torchvision() -> BTreeMap<String, Vec<(String, Vec<usize>)>> {
    let mut shapes = BTreeMap::<_, Vec<_>>::new();
    for line in std::fs::read_to_string(fixture("torchvision_shapes.txt")).unwrap().lines() {
        let mut words = line.split(' ');
        let (architecture, name) = (words.next().unwrap(), words.next().unwrap());
        let shape = words.map(|size| size.parse().unwrap()).collect();
        shapes.entry(architecture.to_owned()).or_default().push((name.to_owned(), shape));
    }
    shapes
}

/// What the script put into tensor `name`: len(name) + i / 16, at most two entries a dimension.
fn check_values(weights: &TensorMap) {
    let resnet18: TensorMap = into_map(
        torchvision()["resnet18"]
            .iter()
            .map(|(name, shape)| {
                let shape: Vec<usize> = shape.iter().map(|size| *size.min(&2)).collect();
                let count = shape.iter().product::<usize>();
                let values = (0..count).map(|index| name.len() as f32 + index as f32 / 16.0).collect();
                NamedTensor { name: name.clone(), shape, values }
            })
            .collect(),
    );
    for (name, tensor) in weights {
        assert_eq!(Some(tensor), resnet18.get(name), "{name}");
    }
}

#[test]
fn a_torchvision_state_dict() {
    let weights = read_state_dict(&fixture("torchvision.pth")).unwrap();
    // all of ResNet-18 but fc and the counters; among them a strided view, f16, bf16 and f64
    assert_eq!(weights.len(), torchvision()["resnet18"].len());
    check_values(&weights);
}

#[test]
fn a_moco_checkpoint_in_the_legacy_format() {
    let weights = read_state_dict(&fixture("moco.pth")).unwrap();
    check_values(&weights);
    let kept = |name: &str| ["conv1", "bn1", "layer1.0", "layer4.0"].iter().any(|part| name.starts_with(part));
    let expected = torchvision()["resnet18"].iter().filter(|(name, _)| kept(name)).count();
    assert_eq!(weights.len(), expected);
}

#[test]
fn a_seco_lightning_checkpoint() {
    // nn.Sequential names, heads, queues, optimiser state, an argparse.Namespace
    let weights = read_state_dict(&fixture("seco.ckpt")).unwrap();
    check_values(&weights);
    assert_eq!(weights.len(), read_state_dict(&fixture("moco.pth")).unwrap().len());
    assert!(weights.contains_key("layer4.0.downsample.0.weight"));
}

#[test]
fn files_without_an_encoder_say_what_they_hold() {
    let error = read_state_dict(&fixture("no_encoder.pth")).unwrap_err();
    assert!(matches!(error, PytorchError::NoEncoder { count: 2, .. }));
    assert!(error.to_string().contains("model.decoder.bias"), "{error}");
    let error = read_state_dict(&fixture("preprocess.json")).unwrap_err();
    assert!(matches!(error, PytorchError::Unreadable(_)), "{error}");
    let error = read_state_dict(&fixture("there_is_no_such_file.pth")).unwrap_err();
    assert!(matches!(error, PytorchError::Unreadable(_)), "{error}");
}

#[test]
fn names_and_shapes_are_torchvisions() {
    let references = torchvision();
    for architecture in [Architecture::Resnet18, Architecture::Resnet34, Architecture::Resnet50] {
        let config = EncoderConfig { architecture, stem: Stem::Imagenet, bands: 3 };
        let mut ours = config.tensor_shapes(false);
        let mut theirs = references[architecture.name()].clone();
        ours.sort();
        theirs.sort();
        assert_eq!(ours, theirs);
    }
}

#[test]
fn the_architecture_is_recognised_by_its_shapes() {
    for architecture in Architecture::ALL {
        for stem in [Stem::Imagenet, Stem::Small] {
            let config = EncoderConfig { architecture, stem, bands: 5 };
            let tensor = |(name, shape): (String, Vec<usize>)| NamedTensor { name, shape, values: Vec::new() };
            let mut weights = into_map(config.tensor_shapes(false).into_iter().map(tensor).collect());
            assert_eq!(detect_config(&weights), Some(config));
            weights.pop_last();
            assert_eq!(detect_config(&weights), None);
        }
    }
}
