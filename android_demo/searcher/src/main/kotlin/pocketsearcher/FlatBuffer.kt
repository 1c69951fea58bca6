package pocketsearcher

import java.nio.BufferUnderflowException
import java.nio.ByteBuffer
import java.nio.ByteOrder

/**
 * A constant of a graph.
 *
 * @property type A `TensorType` of TensorFlow Lite's schema.
 * @property content The values, little-endian.
 * @property scale The scale if it is quantised, else 1.
 */
internal class Constant(val type: Int, val shape: List<Int>, val content: ByteBuffer, val scale: Float)

/**
 * The constants of the graph of a signature, by name; the last one if a name repeats. Empty if there is no such signature.
 *
 * Field numbers are those of TensorFlow Lite's schema (`schema.fbs`, version 3c).
 *
 * @throws SearcherException The FlatBuffer is damaged.
 */
internal fun constants(model: ByteBuffer, signature: String, file: String): Map<String, Constant> {
    val content = model.duplicate().order(ByteOrder.LITTLE_ENDIAN)
    return try {
        val root = Table(content, content.getInt(0))
        val entry = root.tables(SIGNATURES).find { it.text(KEY) == signature } ?: return emptyMap()
        val buffers = root.tables(BUFFERS)
        val found = HashMap<String, Constant>()
        for (tensor in root.tables(SUBGRAPHS)[entry.int(SUBGRAPH)].tables(TENSORS)) {
            val shape = tensor.ints(SHAPE)
            val data = buffers[tensor.int(BUFFER)].bytes(0) ?: continue
            val scale = tensor.table(QUANTIZATION)?.firstFloat(SCALE) ?: 1f
            found[tensor.text(NAME)] = Constant(tensor.byte(TYPE), shape, data, scale)
        }
        found
    } catch (error: IndexOutOfBoundsException) {
        throw damaged(file, error)
    } catch (error: IllegalArgumentException) {
        throw damaged(file, error)
    } catch (error: BufferUnderflowException) {
        throw damaged(file, error)
    }
}

private fun damaged(file: String, error: Exception) =
    SearcherException("$file: the model is damaged (${error.message}); copy it again, or build it again.", error)

private const val SUBGRAPHS = 2 // fields of Model
private const val BUFFERS = 4
private const val SIGNATURES = 7
private const val KEY = 2 // of SignatureDef
private const val SUBGRAPH = 4
private const val TENSORS = 0 // of SubGraph
private const val SHAPE = 0 // of Tensor
private const val TYPE = 1
private const val BUFFER = 2
private const val NAME = 3
private const val QUANTIZATION = 4
private const val SCALE = 2 // of QuantizationParameters

/** A table of a FlatBuffer; a field that is not there is empty or 0. */
private class Table(private val content: ByteBuffer, private val at: Int) {
    fun int(field: Int): Int = place(field)?.let(content::getInt) ?: 0

    fun byte(field: Int): Int = place(field)?.let { content[it].toInt() } ?: 0

    fun table(field: Int): Table? = place(field)?.let { Table(content, it + content.getInt(it)) }

    fun tables(field: Int): List<Table> = vector(field) { start, size ->
        List(size) { number -> (start + 4 * number).let { Table(content, it + content.getInt(it)) } }
    }.orEmpty()

    fun ints(field: Int): List<Int> = vector(field) { start, size -> List(size) { content.getInt(start + 4 * it) } }.orEmpty()

    fun firstFloat(field: Int): Float? = vector(field) { start, size -> if (size > 0) content.getFloat(start) else null }

    fun bytes(field: Int): ByteBuffer? = vector(field, content::part)

    fun text(field: Int): String = bytes(field)?.let { String(it.bytes(), Charsets.UTF_8) }.orEmpty()

    private fun <T> vector(field: Int, read: (Int, Int) -> T): T? = place(field)?.let { at ->
        val start = at + content.getInt(at)
        val size = content.getInt(start)
        require(size in 0..content.capacity() - start) { "$size values at $start" }
        read(start + 4, size)
    }

    private fun place(field: Int): Int? {
        val table = at - content.getInt(at)
        val entry = 4 + 2 * field
        if (entry >= content.getShort(table)) return null
        return content.getShort(table + entry).toInt().and(0xffff).takeIf { it > 0 }?.plus(at)
    }
}
