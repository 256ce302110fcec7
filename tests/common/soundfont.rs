//! A SoundFont of some kilobytes, for what needs one.

/// The bytes of a SoundFont in which every preset (bank, program) plays one looped sine. Its key 69 has `frequency` Hz,
/// rounded to a whole number of samples a period at 44,100 Hz.
pub fn sine_font(presets: &[(u16, u16)], frequency: f64) -> Vec<u8> {
    let period = (44_100.0 / frequency).round() as u32;
    let wave: Vec<u8> = (0..4 * period + 46)
        .map(|i| {
            let phase = std::f64::consts::TAU * f64::from(i) / f64::from(period);
            (if i < 4 * period {
                12_000.0 * phase.sin()
            } else {
                0.0
            }) as i16
        })
        .flat_map(i16::to_le_bytes)
        .collect();
    let name = |text: &str| {
        let mut bytes = [0u8; 20];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        bytes
    };
    let words = |words: &[u16]| -> Vec<u8> { words.iter().flat_map(|w| w.to_le_bytes()).collect() };
    let count = presets.len() as u16;

    let (mut phdr, mut pbag, mut pgen) = (Vec::new(), Vec::new(), Vec::new());
    let terminal = (&(0, 0), count);
    for (&(bank, program), index) in presets.iter().zip(0..).chain([terminal]) {
        phdr.extend(name(if index < count { "Sine" } else { "EOP" }));
        phdr.extend(words(&[program, bank, index, 0, 0, 0, 0, 0, 0]));
        pbag.extend(words(&[index, 0]));
        pgen.extend(words(if index < count { &[41, 0] } else { &[0, 0] })); // instrument 0
    }
    let inst = [&name("Sine")[..], &words(&[0]), &name("EOI"), &words(&[1])].concat();
    let ibag = words(&[0, 0, 2, 0]);
    let igen = words(&[54, 1, 53, 0, 0, 0]); // looped, sample 0
    let mut shdr = name("Sine").to_vec();
    for number in [0, 4 * period, period, 3 * period, 44_100] {
        shdr.extend(number.to_le_bytes());
    }
    shdr.extend([69, 0, 0, 0, 1, 0]); // key, correction, link, mono
    shdr.extend([&name("EOS")[..], &[0; 26]].concat());

    let info = [chunk(b"ifil", &words(&[2, 1])), chunk(b"INAM", b"Sine\0\0")].concat();
    let sound = chunk(b"smpl", &wave);
    let tables = [
        chunk(b"phdr", &phdr),
        chunk(b"pbag", &pbag),
        chunk(b"pmod", &[0; 10]),
        chunk(b"pgen", &pgen),
        chunk(b"inst", &inst),
        chunk(b"ibag", &ibag),
        chunk(b"imod", &[0; 10]),
        chunk(b"igen", &igen),
        chunk(b"shdr", &shdr),
    ];
    let lists = [
        &b"sfbk"[..],
        &list(b"INFO", &info),
        &list(b"sdta", &sound),
        &list(b"pdta", &tables.concat()),
    ];
    chunk(b"RIFF", &lists.concat())
}

fn list(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    chunk(b"LIST", &[kind, content].concat())
}

fn chunk(id: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [id, &(content.len() as u32).to_le_bytes()[..], content].concat()
}
