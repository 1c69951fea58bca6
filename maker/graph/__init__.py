"""Writing TFLite graphs straight into the FlatBuffer, without TensorFlow.

`model.Model` holds the constants and signatures, `subgraph.Subgraph` the tensors and operators of one signature (`elementwise`,
`arrangement`, `reductions`, `network` and `control_flow` are its operators by purpose), `source.Source` reads an existing `.tflite` so that
`inlining` can copy its operators, and `flatbuffer.write` streams the file.
"""
