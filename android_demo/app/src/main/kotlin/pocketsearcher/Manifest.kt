package pocketsearcher

import org.json.JSONException
import org.json.JSONObject

/**
 * What `searcher.json` says of the file; FORMAT.md explains every key.
 *
 * @property distance `dot_product`, reported negative, or `squared_l2`; smaller is nearer in both cases.
 * @property dimension Length of an embedding.
 * @property items How many items there are.
 * @property k How many neighbours a query returns at most.
 * @property userInfo The builder's own text.
 * @property maxTextBytes How many bytes of UTF-8 a text query has at most; null where the file takes no text.
 * @property imageSize What pictures are brought to; null where the file takes no pictures.
 * @property relevance By signature, where the builder could fit them.
 * @property golden Queries with the answers that every device has to give.
 * @property digests Hexadecimal SHA-256 of the file's parts.
 */
class Manifest private constructor(
    val distance: String,
    val dimension: Int,
    val items: Int,
    val k: Int,
    val userInfo: String,
    val maxTextBytes: Int?,
    val imageSize: ImageSize?,
    val relevance: Map<String, RelevanceCurve>,
    val golden: List<GoldenQuery>,
    val digests: Map<String, String>,
) {
    /** Rows and columns of a picture. */
    data class ImageSize(val height: Int, val width: Int)

    companion object {
        const val FILE = "searcher.json"
        private const val FORMAT = "pocket-searcher"
        private const val VERSION = 1
        private const val LONGEST_REASON = 100
        private const val RESIZE = "triangle"

        /** @throws SearcherException It is no manifest, or one of a newer format. */
        fun read(content: ByteArray, file: String): Manifest =
            try {
                read(JSONObject(String(content, Charsets.UTF_8)), file)
            } catch (error: JSONException) {
                // The message quotes the whole text.
                val reason = error.message.orEmpty().lineSequence().first().take(LONGEST_REASON)
                throw SearcherException("$file: $FILE cannot be read ($reason); copy the file again, or build it again.", error)
            }

        private fun read(json: JSONObject, file: String): Manifest {
            if (json.optString("format") != FORMAT) {
                throw SearcherException("""$file: $FILE does not say "format": "$FORMAT"; copy the file again, or build it again.""")
            }
            val version = json.getInt("format_version")
            if (version > VERSION) {
                throw SearcherException(
                    "$file: is newer than this app (format version $version, known are up to $VERSION); update the app.",
                )
            }
            val query = json.optJSONObject("query") ?: JSONObject()
            return Manifest(
                distance = json.getString("distance"),
                dimension = json.getInt("dimension"),
                items = json.getInt("items"),
                k = json.getInt("k"),
                userInfo = json.optString("user_info"),
                maxTextBytes = query.optJSONObject("text")?.getInt("max_bytes"),
                imageSize = query.optJSONObject("image")?.let { imageSize(it, file) },
                relevance = json.objects("relevance").mapValues { (_, curve) ->
                    val gate = if (curve.has("gate")) curve.getDouble("gate") else 0.0
                    RelevanceCurve(curve.getDouble("slope"), curve.getDouble("intercept"), curve.getDouble("cut"), gate)
                },
                golden = json.optJSONArray("golden").orEmpty().map(GoldenQuery::read),
                digests = json.optJSONObject("sha256")?.run { keys().asSequence().associateWith(::getString) }.orEmpty(),
            )
        }

        private fun imageSize(image: JSONObject, file: String): ImageSize {
            val resize = image.getString("resize")
            if (resize != RESIZE) {
                throw SearcherException("$file: wants pictures resized by $resize, which this app does not know; update the app.")
            }
            return ImageSize(image.getInt("height"), image.getInt("width"))
        }

        private fun JSONObject.objects(key: String): Map<String, JSONObject> =
            optJSONObject(key)?.run { keys().asSequence().mapNotNull { name -> optJSONObject(name)?.let { name to it } }.toMap() }.orEmpty()
    }
}
