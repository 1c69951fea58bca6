package pocketsearcher

import org.json.JSONException
import org.json.JSONObject

/**
 * The content of `searcher.json`; docs/format.md explains every key.
 *
 * @property distance `dot_product`, which is negated, or `squared_l2`; smaller is nearer.
 * @property dimension Dimension of the embeddings.
 * @property items Number of items.
 * @property k Maximum number of neighbours that a query returns.
 * @property normalized Whether embeddings have Euclidean norm 1.
 * @property userInfo The text of the builder.
 * @property maxTextBytes Maximum number of UTF-8 bytes of a text query; null if the file does not take text.
 * @property preparation How pictures become queries; null if the file does not take pictures.
 * @property relevance Relevance curves by signature, as far as the builder could fit them.
 * @property golden Queries with the results that every device has to return.
 * @property digests SHA-256 of each part of the file, in hexadecimal digits.
 */
class Manifest private constructor(
    val distance: String,
    val dimension: Int,
    val items: Int,
    val k: Int,
    val normalized: Boolean,
    val userInfo: String,
    val maxTextBytes: Int?,
    internal val preparation: Preparation?,
    val relevance: Map<String, RelevanceCurve>,
    val golden: List<GoldenQuery>,
    val digests: Map<String, String>,
    internal val keepsFloats: Boolean,
    internal val means: Map<String, FloatArray>,
) {
    /** Rows and columns of a picture. */
    data class ImageSize(val height: Int, val width: Int)

    /** The size that pictures are brought to; null if the file does not take pictures. */
    val imageSize: ImageSize? = preparation?.run { ImageSize(height, width) }

    companion object {
        const val FILE = "searcher.json"
        private const val FORMAT = "pocket-searcher"
        private const val VERSION = 1
        private const val LONGEST_REASON = 100

        /** @throws SearcherException The content is not a manifest, or its format is newer. */
        fun read(content: ByteArray, file: String): Manifest =
            try {
                read(JSONObject(String(content, Charsets.UTF_8)), file)
            } catch (error: JSONException) {
                // The message contains the whole text.
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
                normalized = json.optBoolean("normalized"),
                userInfo = json.optString("user_info"),
                maxTextBytes = query.optJSONObject("text")?.getInt("max_bytes"),
                preparation = query.optJSONObject("image")?.let { preparation(it, file) },
                relevance = json.objects("relevance").mapValues { (_, curve) ->
                    val gate = if (curve.has("gate")) curve.getDouble("gate") else 0.0
                    val found = curve.optJSONObject("found")?.let(::found)
                    RelevanceCurve(curve.getDouble("slope"), curve.getDouble("intercept"), curve.getDouble("cut"), gate, found)
                },
                golden = json.optJSONArray("golden").orEmpty().map(GoldenQuery::read),
                digests = json.optJSONObject("sha256")?.run { keys().asSequence().associateWith(::getString) }.orEmpty(),
                keepsFloats = json.optJSONObject("index")?.run { listOf(optString("rows"), optString("rescored_by")) }?.contains("float32") == true,
                means = means(json, file),
            )
        }

        /** The mean embeddings of sentences and of pictures; both or none. */
        private fun means(json: JSONObject, file: String): Map<String, FloatArray> {
            val described = json.optJSONObject("means")?.takeIf { it.length() > 0 } ?: return emptyMap()
            return listOf("text", "image").associateWith { kind ->
                val numbers = described.getJSONArray(kind)
                if (numbers.length() != json.getInt("dimension")) {
                    val found = "${numbers.length()} numbers in means.$kind"
                    throw SearcherException("$file: $FILE has $found; copy the file again, or build it again.")
                }
                FloatArray(numbers.length()) { numbers.getDouble(it).toFloat() }
            }
        }

        private fun found(curve: JSONObject): FoundCurve {
            fun numbers(name: String) = curve.getJSONArray(name).run { List(length(), ::getDouble) }
            return FoundCurve(
                curve.getInt("results"),
                numbers("shows"),
                numbers("right"),
                curve.getDouble("slope"),
                curve.getDouble("cut"),
                curve.getDouble("gate"),
            )
        }

        private fun preparation(image: JSONObject, file: String): Preparation {
            val resize = image.getString("resize")
            val crop = image.optString("crop", Preparation.WHOLE)
            val unknown = when {
                resize !in Preparation.RESIZES -> "resized by $resize"
                crop !in Preparation.CROPS -> "cropped by $crop"
                else -> null
            }
            if (unknown != null) throw SearcherException("$file: wants pictures $unknown, which this app does not know; update the app.")
            return Preparation(image.getInt("height"), image.getInt("width"), resize, crop, image.optInt("shortest_side"))
        }

        private fun JSONObject.objects(key: String): Map<String, JSONObject> =
            optJSONObject(key)?.run { keys().asSequence().mapNotNull { name -> optJSONObject(name)?.let { name to it } }.toMap() }.orEmpty()
    }
}
