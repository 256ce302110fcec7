// Tint, the WGSL compiler of Chrome, on dumped kernels: every module is compiled and every pipeline made with the kernel's
// constants, on Dawn's null backend, which needs no adapter.
//
//     node tint.mjs DUMP

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { create } from 'webgpu';

// wgpu's cooperative matrices have a syntax of their own, which no browser knows; a card without them takes other variants.
const UNKNOWN = { extension: 'wgpu_cooperative_matrix', why: "cooperative matrices in wgpu's syntax" };

// naga takes the functions of subgroups, but not yet the line with which WGSL asks for them.
const standard = (source) => (source.includes('subgroup') ? `enable subgroups;\n${source}` : source);

const dump = process.argv[2];
const { kernels } = JSON.parse(readFileSync(join(dump, 'manifest.json'), 'utf8'));
const gpu = create(['backend=null']); // kept: devices end with it
const adapter = await gpu.requestAdapter();
const device = await adapter.requestDevice({ requiredFeatures: ['shader-f16', 'subgroups'] });

async function refused(kernel, source) {
    device.pushErrorScope('validation');
    const module = device.createShaderModule({ code: source });
    const { messages } = await module.getCompilationInfo();
    const errors = messages.filter(({ type }) => type === 'error');
    if (errors.length === 0) {
        const compute = { module, entryPoint: kernel.entry, constants: kernel.constants };
        device.createComputePipeline({ layout: 'auto', compute });
    }
    const error = await device.popErrorScope();
    const first = errors[0];
    return first ? `line ${first.lineNum}: ${first.message}` : error?.message;
}

const sources = kernels.map(({ name }) => standard(readFileSync(join(dump, `${name}.wgsl`), 'utf8')));
let accepted = 0;
let unknown = 0;
const failures = [];
// a compiler that accepts this accepts anything
if (!(await refused({ entry: 'main', constants: {} }, '@compute @workgroup_size(1) fn main() { let x: u32 = 1.5; }'))) {
    failures.push('a program of mixed types was accepted: nothing is checked here');
}
for (const [number, kernel] of kernels.entries()) {
    const why = await refused(kernel, sources[number]);
    if (sources[number].includes(UNKNOWN.extension)) {
        // to be looked at again when this changes
        if (why) unknown += 1;
        else failures.push(`${kernel.name}: is accepted now, although it has ${UNKNOWN.why}`);
    } else if (why) {
        failures.push(`${kernel.name}: ${why}`);
    } else {
        accepted += 1;
    }
}
console.log(`Tint: ${accepted} of ${kernels.length} kernels accepted, ${unknown} not its own (${UNKNOWN.why})`);
failures.forEach((failure) => console.error(`Tint: ${failure}`));
process.exit(failures.length === 0 && accepted > 0 ? 0 : 1);
