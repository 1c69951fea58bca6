"""Writing TFLite graphs straight into the FlatBuffer, without TensorFlow.

`model.Model` holds the constants and signatures, `subgraph.Subgraph` the tensors and operators of one signature, `source.Source`
reads an existing `.tflite` so that its operators can be inlined, and `flatbuffer.write` streams the file.
"""
