package pocketsearcher

import org.json.JSONArray
import org.json.JSONObject

/**
 * A question whose answer is written in the file.
 *
 * @property signature What answers it.
 * @property query A sentence, a [FloatArray], or for pictures the word `pattern`.
 * @property ids The nearest items.
 * @property distances Their distances.
 */
class GoldenQuery private constructor(val signature: String, val query: Any, val ids: List<Int>, val distances: List<Float>) {
    internal companion object {
        fun read(json: JSONObject): GoldenQuery {
            val query = json.get("query")
            return GoldenQuery(
                signature = json.getString("signature"),
                query = if (query is JSONArray) FloatArray(query.length()) { query.getDouble(it).toFloat() } else query,
                ids = json.getJSONArray("ids").run { List(length(), ::getInt) },
                distances = json.getJSONArray("distances").run { List(length()) { getDouble(it).toFloat() } },
            )
        }
    }
}

internal fun JSONArray?.orEmpty(): List<JSONObject> = if (this == null) emptyList() else List(length(), ::getJSONObject)
