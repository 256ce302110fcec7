//! The networks of the papers, each written as its figure reads, and our own.

mod contrast;
mod decoder;
mod direct;
mod encoder;
mod extractor;
mod hashizume;
mod head;
mod joint;
mod separator;

pub use contrast::{ContrastConfig, ContrastNetwork, Contrasted};
pub use decoder::{Decoder, Separated};
pub use direct::{Described, Direct, DirectConfig, SUBSPACES};
pub use encoder::{Encoded, Encoder, Last};
pub use extractor::{Extractor, ExtractorConfig};
pub use hashizume::{HashizumeConfig, HashizumeNetwork};
pub use joint::{JointConfig, JointSeparator, Shares};
pub use separator::{Separator, SeparatorConfig};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        error::Result,
        nn::Build,
        tape::{Parameters, Role},
    };

    fn count<N>(add: impl FnOnce(&mut Build<'_>) -> Result<N>) -> usize {
        let mut parameters = Parameters::default();
        add(&mut Build::new(&mut parameters, 0)).unwrap();
        parameters.count(Role::Trainable)
    }

    #[test]
    fn the_papers_numbers_of_parameters() {
        let separator = SeparatorConfig::default();
        assert_eq!(count(|build| Separator::new(&separator, build)), 9_823_313);
        let extractor = ExtractorConfig::default();
        assert_eq!(count(|build| Extractor::new(&extractor, build)), 4_695_008);
        let direct = |config: DirectConfig| count(|build| Direct::new(&config, build, Role::Trainable));
        let bare = DirectConfig::default();
        assert_eq!(direct(bare), 12_150_368);
        let reconstruct = DirectConfig {
            reconstruct: true,
            ..bare
        };
        assert_eq!(direct(reconstruct), 12_150_368 + 31_371_445);
        let activated = DirectConfig {
            last: Last::Activated,
            ..bare
        };
        assert_eq!(direct(activated), 12_150_368 + 2 * 640);
    }
}
