package pocketsearcher

import org.json.JSONArray
import org.json.JSONObject

/**
 * A query with its expected result, from the file.
 *
 * @property signature The signature to run.
 * @property query A sentence, a [FloatArray], or the word `pattern` for a picture.
 * @property embedding The embedding of the query, of files without items; then there are no [ids].
 * @property ids The nearest items.
 * @property distances Their distances.
 * @property tolerance How far distances of other devices may be, where that is more than usual; then ids may change places, too.
 */
class GoldenQuery private constructor(
    val signature: String,
    val query: Any,
    val ids: List<Int>,
    val distances: List<Float>,
    val tolerance: Float?,
    val embedding: FloatArray? = null,
) {
    internal companion object {
        fun read(json: JSONObject): GoldenQuery {
            val query = json.get("query")
            return GoldenQuery(
                signature = json.getString("signature"),
                query = if (query is JSONArray) query.floats() else query,
                ids = json.optJSONArray("ids")?.run { List(length(), ::getInt) }.orEmpty(),
                distances = json.optJSONArray("distances")?.floats()?.asList().orEmpty(),
                tolerance = if (json.has("tolerance")) json.getDouble("tolerance").toFloat() else null,
                embedding = json.optJSONArray("embedding")?.floats(),
            )
        }
    }
}

private fun JSONArray.floats() = FloatArray(length()) { getDouble(it).toFloat() }

internal fun JSONArray?.orEmpty(): List<JSONObject> = if (this == null) emptyList() else List(length(), ::getJSONObject)
