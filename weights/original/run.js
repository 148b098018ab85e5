// Executes a COCO-SSD graph with TensorFlow.js and writes what some of its nodes return.
//
//   node run.js GRAPH IMAGES SIDE OUTPUT NODE...
//
// GRAPH is a folder with model.json and its shards, IMAGES a file of uint8 RGB pixels (n, SIDE, SIDE, 3). For image i and
// node j the file OUTPUT/i-j.bin is written: float32, (height, width, channels).
import {readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';

import '@tensorflow/tfjs-backend-cpu';
import {loadGraphModel} from '@tensorflow/tfjs-converter';
import {tensor4d} from '@tensorflow/tfjs-core';

const [graph, images, sideText, output, ...nodes] = process.argv.slice(2);
const side = Number(sideText);

const handler = {
  load: async () => {
    const {modelTopology, weightsManifest} = JSON.parse(readFileSync(join(graph, 'model.json'), 'utf-8'));
    const shards = weightsManifest.flatMap((group) => group.paths.map((path) => readFileSync(join(graph, path))));
    const data = new Uint8Array(Buffer.concat(shards));
    return {modelTopology, weightSpecs: weightsManifest.flatMap((group) => group.weights), weightData: data.buffer};
  },
};

const model = await loadGraphModel(handler);
const pixels = new Uint8Array(readFileSync(images));
const size = side * side * 3;
for (let i = 0; i < pixels.length / size; i += 1) {
  const image = tensor4d(Int32Array.from(pixels.subarray(i * size, (i + 1) * size)), [1, side, side, 3], 'int32');
  const found = await model.executeAsync({image_tensor: image}, nodes);
  const values = Array.isArray(found) ? found : [found];
  for (const [j, value] of values.entries()) {
    writeFileSync(join(output, `${i}-${j}.bin`), Buffer.from((await value.data()).slice().buffer));
    value.dispose();
  }
  image.dispose();
}
