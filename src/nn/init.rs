use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// PyTorch's default for weights and biases of convolutions and linear layers: uniform in ±1/√fan_in.
pub fn uniform_init(len: usize, fan_in: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let bound = 1.0 / (fan_in as f32).sqrt();
    (0..len).map(|_| rng.random_range(-bound..bound)).collect()
}
