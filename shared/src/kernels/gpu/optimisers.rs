//! Steps of optimisers over many parameters in one launch: hundreds of small tensors cost a device more than their values do.
//!
//! A cube has 256 values of one parameter. Which parameter that is follows from its number, as each one says which cube is its
//! first; as many parameters as the device binds buffers go into one launch.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::layout;

/// Units of a cube.
const UNITS: usize = 256;
/// Parameters of a launch at most: more make kernels that take long to compile.
const MOST: usize = 48;

/// Where a parameter's cubes lie, and how many values it has.
#[derive(CubeLaunch, CubeType, Clone, Copy)]
struct Place {
    first: u32,
    end: u32,
    length: u32,
}

#[derive(CubeLaunch, CubeType)]
struct Averaged {
    old: Box<[f32]>,
    fresh: Box<[f32]>,
    out: Box<[f32]>,
    place: Place,
}

#[derive(CubeLaunch, CubeType)]
struct Descending {
    weight: Box<[f32]>,
    gradient: Box<[f32]>,
    velocity: Box<[f32]>,
    new_weight: Box<[f32]>,
    new_velocity: Box<[f32]>,
    place: Place,
    decay: f32,
    /// 0 in the first step, whose velocity is the gradient itself.
    momentum: f32,
    /// LARS's trust, or 0 for none.
    trust: f32,
    /// Which of the scales is its own.
    index: u32,
}

#[derive(CubeLaunch, CubeType)]
struct Adaptive {
    weight: Box<[f32]>,
    gradient: Box<[f32]>,
    mean: Box<[f32]>,
    square: Box<[f32]>,
    new_weight: Box<[f32]>,
    new_mean: Box<[f32]>,
    new_square: Box<[f32]>,
    place: Place,
    /// The rate over the mean's correction.
    rate: f32,
    /// What the weight is multiplied by first.
    kept: f32,
    /// The root of the squares' correction.
    root: f32,
    /// 0 in the first step, when there are no moments.
    has_moments: f32,
}

/// The value of the parameter at `place` that this unit has; `length` or more where it has none.
#[cube]
fn own(place: &Place) -> u32 {
    (CUBE_POS_Y * CUBE_COUNT_X + CUBE_POS_X - place.first) * comptime!(UNITS as u32) + UNIT_POS
}

#[cube]
fn is_here(place: &Place) -> bool {
    let cube = CUBE_POS_Y * CUBE_COUNT_X + CUBE_POS_X;
    cube >= place.first && cube < place.end
}

#[cube(launch_unchecked)]
fn average_all(parameters: &mut Sequence<Averaged>, momentum: f32) {
    let count = parameters.len();
    #[unroll]
    for i in 0..count {
        let parameter = parameters.index_mut(i);
        if is_here(&parameter.place) {
            let at = own(&parameter.place);
            if at < parameter.place.length {
                let at = at as usize;
                parameter.out[at] = parameter.old[at] * momentum + parameter.fresh[at] * (1.0f32 - momentum);
            }
        }
    }
}

/// `trust · ‖weight‖ / ‖gradient + decay · weight‖` of a parameter, 1 where either is 0: a cube for each.
#[cube(launch_unchecked)]
fn trust_all(parameters: &Sequence<Descending>, scales: &mut [f32]) {
    let mut weights = Shared::<[f32]>::new_slice(UNITS);
    let mut gradients = Shared::<[f32]>::new_slice(UNITS);
    let count = parameters.len();
    let mut of_weight = 0.0f32;
    let mut of_gradient = 0.0f32;
    let mut trust = 0.0f32;
    let mut to = 0u32;
    #[unroll]
    for i in 0..count {
        let parameter = parameters.index(i);
        if CUBE_POS_X == comptime!(i as u32) {
            trust = parameter.trust;
            to = parameter.index;
            for at in range_stepped(UNIT_POS, parameter.place.length, comptime!(UNITS as u32)) {
                let weight = parameter.weight[at as usize];
                let gradient = parameter.gradient[at as usize] + weight * parameter.decay;
                of_weight += weight * weight;
                of_gradient += gradient * gradient;
            }
        }
    }
    weights[UNIT_POS as usize] = of_weight;
    gradients[UNIT_POS as usize] = of_gradient;
    sync_cube();
    if UNIT_POS == 0u32 {
        for other in 1..UNITS {
            of_weight += weights[other];
            of_gradient += gradients[other];
        }
        let mut scale = 1.0f32;
        if trust > 0.0f32 && of_weight > 0.0f32 && of_gradient > 0.0f32 {
            scale = trust * of_weight.sqrt() / of_gradient.sqrt();
        }
        scales[to as usize] = scale;
    }
}

#[cube(launch_unchecked)]
fn descend_all(parameters: &mut Sequence<Descending>, scales: ComptimeOption<&[f32]>, rate: f32) {
    let count = parameters.len();
    #[unroll]
    for i in 0..count {
        let parameter = parameters.index_mut(i);
        if is_here(&parameter.place) {
            let at = own(&parameter.place);
            if at < parameter.place.length {
                let at = at as usize;
                let weight = parameter.weight[at];
                let mut gradient = parameter.gradient[at] + weight * parameter.decay;
                #[comptime]
                if let ComptimeOption::Some(scales) = &scales {
                    gradient *= scales[parameter.index as usize];
                }
                let mut velocity = gradient;
                if parameter.momentum > 0.0f32 {
                    velocity = parameter.velocity[at] * parameter.momentum + gradient;
                }
                parameter.new_velocity[at] = velocity;
                parameter.new_weight[at] = weight - velocity * rate;
            }
        }
    }
}

#[cube(launch_unchecked)]
fn adapt_all(parameters: &mut Sequence<Adaptive>, beta1: f32, beta2: f32, epsilon: f32) {
    let count = parameters.len();
    #[unroll]
    for i in 0..count {
        let parameter = parameters.index_mut(i);
        if is_here(&parameter.place) {
            let at = own(&parameter.place);
            if at < parameter.place.length {
                let at = at as usize;
                let gradient = parameter.gradient[at];
                let mut mean = gradient * (1.0f32 - beta1);
                let mut square = gradient * gradient * (1.0f32 - beta2);
                if parameter.has_moments > 0.0f32 {
                    mean += parameter.mean[at] * beta1;
                    square += parameter.square[at] * beta2;
                }
                let scale = square.sqrt() / parameter.root + epsilon;
                parameter.new_weight[at] = parameter.weight[at] * parameter.kept - mean / scale * parameter.rate;
                parameter.new_mean[at] = mean;
                parameter.new_square[at] = square;
            }
        }
    }
}

/// Places of parameters one behind the other, and how many cubes they need.
fn places(lengths: impl Iterator<Item = usize>) -> (Vec<[u32; 3]>, usize) {
    let mut cubes = 0;
    let places = lengths.map(|length| {
        let first = cubes;
        cubes += length.div_ceil(UNITS);
        [first as u32, cubes as u32, length as u32]
    });
    (places.collect(), cubes)
}

fn length(tensor: &CubeTensor) -> usize {
    tensor.meta.shape().num_elements()
}

fn like(tensor: &CubeTensor) -> CubeTensor {
    layout::plain(tensor, &[length(tensor)], DType::F32)
}

/// `momentum · old + (1 - momentum) · fresh` of every pair.
pub(super) fn average(pairs: Vec<[CubeTensor; 2]>, momentum: f64) -> Vec<CubeTensor> {
    let Some([first, _]) = pairs.first() else { return Vec::new() };
    let (client, together) = (first.client.clone(), layout::together(first, 3).min(MOST));
    let mut results = Vec::with_capacity(pairs.len());
    for part in pairs.chunks(together) {
        let (places, cubes) = places(part.iter().map(|[old, _]| length(old)));
        let mut slots = SequenceArg::new();
        for ([old, fresh], [first, end, length]) in part.iter().zip(places) {
            let out = like(old);
            slots.push(AveragedLaunch::new(
                layout::buffer(&layout::dense(old.clone())),
                layout::buffer(&layout::dense(fresh.clone())),
                layout::buffer(&out),
                PlaceLaunch::new(first, end, length),
            ));
            results.push(out);
        }
        // SAFETY: every parameter is as long as its place says.
        unsafe {
            average_all::launch_unchecked(
                &client,
                layout::grid(cubes, 1),
                CubeDim::new_1d(UNITS as u32),
                slots,
                momentum as f32,
            );
        }
    }
    results
}

/// A parameter of [`descend`].
pub(super) struct Descent {
    pub weight: CubeTensor,
    pub gradient: CubeTensor,
    pub velocity: Option<CubeTensor>,
    pub decay: f64,
    /// LARS's trust, where the parameter is adapted.
    pub trust: Option<f64>,
}

/// Stochastic gradient descent with momentum; LARS where a parameter has a trust. New weights and velocities.
pub(super) fn descend(parameters: Vec<Descent>, rate: f64, momentum: f64) -> Vec<[CubeTensor; 2]> {
    let Some(first) = parameters.first() else { return Vec::new() };
    let (client, together) = (first.weight.client.clone(), layout::together(&first.weight, 5).min(MOST));
    let is_adapted = parameters.iter().any(|parameter| parameter.trust.is_some());
    let mut results = Vec::with_capacity(parameters.len());
    for part in parameters.chunks(together) {
        let (places, cubes) = places(part.iter().map(|parameter| length(&parameter.weight)));
        let outs: Vec<[CubeTensor; 2]> =
            part.iter().map(|parameter| [(); 2].map(|()| like(&parameter.weight))).collect();
        let dense: Vec<[CubeTensor; 3]> = part
            .iter()
            .map(|parameter| {
                let velocity = parameter.velocity.as_ref().unwrap_or(&parameter.gradient);
                [&parameter.weight, &parameter.gradient, velocity].map(|tensor| layout::dense(tensor.clone()))
            })
            .collect();
        let slots = || {
            let mut slots = SequenceArg::new();
            for (index, parameter) in part.iter().enumerate() {
                let [weight, gradient, velocity] = &dense[index];
                let [first, end, length] = places[index];
                slots.push(DescendingLaunch::new(
                    layout::buffer(weight),
                    layout::buffer(gradient),
                    layout::buffer(velocity),
                    layout::buffer(&outs[index][0]),
                    layout::buffer(&outs[index][1]),
                    PlaceLaunch::new(first, end, length),
                    parameter.decay as f32,
                    parameter.velocity.as_ref().map_or(0.0, |_| momentum as f32),
                    parameter.trust.unwrap_or_default() as f32,
                    index as u32,
                ));
            }
            slots
        };
        let scales = is_adapted.then(|| layout::plain(&part[0].weight, &[part.len()], DType::F32));
        // SAFETY: every parameter is as long as its place says.
        unsafe {
            if let Some(scales) = &scales {
                trust_all::launch_unchecked(
                    &client,
                    CubeCount::Static(part.len() as u32, 1, 1),
                    CubeDim::new_1d(UNITS as u32),
                    slots(),
                    layout::buffer(scales),
                );
            }
            descend_all::launch_unchecked(
                &client,
                layout::grid(cubes, 1),
                CubeDim::new_1d(UNITS as u32),
                slots(),
                scales.as_ref().map(layout::buffer).into(),
                rate as f32,
            );
        }
        results.extend(outs);
    }
    results
}

/// A parameter of [`adapt`].
pub(super) struct Adaptation {
    pub weight: CubeTensor,
    pub gradient: CubeTensor,
    /// Mean and square.
    pub moments: Option<[CubeTensor; 2]>,
    /// The rate over the mean's correction.
    pub rate: f64,
    /// What the weight is multiplied by first.
    pub kept: f64,
    /// The squares' correction.
    pub correction: f64,
}

/// Adam. New weights, means and squares.
pub(super) fn adapt(parameters: Vec<Adaptation>, [beta1, beta2, epsilon]: [f64; 3]) -> Vec<[CubeTensor; 3]> {
    let Some(first) = parameters.first() else { return Vec::new() };
    let (client, together) = (first.weight.client.clone(), layout::together(&first.weight, 7).min(MOST));
    let mut results = Vec::with_capacity(parameters.len());
    for part in parameters.chunks(together) {
        let (places, cubes) = places(part.iter().map(|parameter| length(&parameter.weight)));
        let mut slots = SequenceArg::new();
        for (parameter, [first, end, length]) in part.iter().zip(places) {
            let outs = [(); 3].map(|()| like(&parameter.weight));
            let gradient = layout::dense(parameter.gradient.clone());
            let [mean, square] =
                parameter.moments.clone().unwrap_or_else(|| [gradient.clone(), gradient.clone()]).map(layout::dense);
            slots.push(AdaptiveLaunch::new(
                layout::buffer(&layout::dense(parameter.weight.clone())),
                layout::buffer(&gradient),
                layout::buffer(&mean),
                layout::buffer(&square),
                layout::buffer(&outs[0]),
                layout::buffer(&outs[1]),
                layout::buffer(&outs[2]),
                PlaceLaunch::new(first, end, length),
                parameter.rate as f32,
                parameter.kept as f32,
                parameter.correction.sqrt() as f32,
                parameter.moments.as_ref().map_or(0.0, |_| 1.0),
            ));
            results.push(outs);
        }
        // SAFETY: every parameter is as long as its place says.
        unsafe {
            adapt_all::launch_unchecked(
                &client,
                layout::grid(cubes, 1),
                CubeDim::new_1d(UNITS as u32),
                slots,
                beta1 as f32,
                beta2 as f32,
                epsilon as f32,
            );
        }
    }
    results
}
