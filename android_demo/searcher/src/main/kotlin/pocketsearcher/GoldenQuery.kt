package pocketsearcher

import org.json.JSONArray
import org.json.JSONObject

/**
 * A query with its expected result, from the file.
 *
 * @property signature The signature to run.
 * @property query A sentence, a [FloatArray], or the word `pattern` for a picture.
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
) {
    internal companion object {
        fun read(json: JSONObject): GoldenQuery {
            val query = json.get("query")
            return GoldenQuery(
                signature = json.getString("signature"),
                query = if (query is JSONArray) FloatArray(query.length()) { query.getDouble(it).toFloat() } else query,
                ids = json.getJSONArray("ids").run { List(length(), ::getInt) },
                distances = json.getJSONArray("distances").run { List(length()) { getDouble(it).toFloat() } },
                tolerance = if (json.has("tolerance")) json.getDouble("tolerance").toFloat() else null,
            )
        }
    }
}

internal fun JSONArray?.orEmpty(): List<JSONObject> = if (this == null) emptyList() else List(length(), ::getJSONObject)
