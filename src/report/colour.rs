//! A colour map, and images that are in the page.

use base64::{Engine, prelude::BASE64_STANDARD};

use super::SoundError;

/// Colours from dark blue over violet and orange to pale yellow.
///
/// The steps of lightness are even in OKLab, and so to the eye, also to one that tells few hues apart.
pub(super) fn palette() -> [[u8; 3]; 256] {
    std::array::from_fn(|i| {
        let t = i as f64 / 255.0;
        let lightness = 0.16 + 0.8 * t;
        // around the circle through red; the ends are less colourful, as dark and light colours are
        let hue = (275.0 + 190.0 * t).to_radians();
        let chroma = 0.03 + 0.13 * (std::f64::consts::PI * t).sin();
        srgb(lightness, chroma * hue.cos(), chroma * hue.sin())
    })
}

/// From OKLab (Ottosson 2020) to sRGB; what the screen has no colour for is cut.
fn srgb(lightness: f64, a: f64, b: f64) -> [u8; 3] {
    let l = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
    let m = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
    let s = (lightness - 0.089_484_177_5 * a - 1.291_485_548 * b).powi(3);
    let linear = [
        4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s,
        -1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s,
        -0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701 * s,
    ];
    linear.map(|x| {
        let x = x.clamp(0.0, 1.0);
        let coded = match x <= 0.003_130_8 {
            true => 12.92 * x,
            false => 1.055 * x.powf(1.0 / 2.4) - 0.055,
        };
        (255.0 * coded).round() as u8
    })
}

/// A PNG as the address of an image: one number a pixel, from 0 (dark) to 255, row by row from the top.
///
/// # Errors
/// [`SoundError::Coding`] unless there are `width` × `height` pixels.
pub(super) fn image(pixels: &[u8], width: usize, height: usize) -> Result<String, SoundError> {
    let failed = |error: png::EncodingError| SoundError::Coding {
        what: "picture",
        message: error.to_string(),
    };
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette().concat());
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(address("image/png", &bytes))
}

/// Bytes as an address.
pub(super) fn address(kind: &str, bytes: &[u8]) -> String {
    format!("data:{kind};base64,{}", BASE64_STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_grows_lighter() {
        let luminance = |[r, g, b]: [u8; 3]| {
            let linear = |x: u8| (f64::from(x) / 255.0).powf(2.2);
            0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
        };
        let all = palette().map(luminance);
        // colours are rounded to 8 bits, and cut to what a screen has
        assert!(all.windows(2).all(|pair| pair[1] > pair[0] - 2e-3), "{all:?}");
        assert!(all[0] < 0.03 && all[255] > 0.75, "{} {}", all[0], all[255]);
    }

    #[test]
    fn white_and_black_of_oklab() {
        assert_eq!((srgb(1.0, 0.0, 0.0), srgb(0.0, 0.0, 0.0)), ([255; 3], [0; 3]));
    }

    #[test]
    fn an_image_reads_back() {
        let pixels: Vec<u8> = (0..6).collect();
        let address = image(&pixels, 3, 2).unwrap();
        let bytes = BASE64_STANDARD
            .decode(address.strip_prefix("data:image/png;base64,").unwrap())
            .unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes))
            .read_info()
            .unwrap();
        let mut read = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut read).unwrap();
        assert_eq!((info.width, info.height, &read[..6]), (3, 2, &pixels[..]));
        assert!(image(&pixels, 4, 2).is_err());
    }
}
