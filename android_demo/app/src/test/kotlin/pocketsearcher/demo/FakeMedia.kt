package pocketsearcher.demo

import android.content.ContentProvider
import android.content.ContentUris
import android.content.ContentValues
import android.database.Cursor
import android.database.MatrixCursor
import android.net.Uri
import android.provider.MediaStore.Images.Media
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import java.io.ByteArrayInputStream

/** The photos of a phone, in the place of MediaStore. */
class FakeMedia : ContentProvider() {
    private class Row(val name: String, val modified: Long, val content: ByteArray)

    private val rows = sortedMapOf<Long, Row>()

    /** Whether the list of photos can be read at all. */
    var answers = true

    fun put(id: Long, name: String, content: ByteArray, modified: Long = 1_700_000_000 + id) {
        rows[id] = Row(name, modified, content)
        shadowOf(RuntimeEnvironment.getApplication().contentResolver)
            .registerInputStreamSupplier(uri(id)) { ByteArrayInputStream(rows.getValue(id).content) }
    }

    fun delete(id: Long) {
        rows.remove(id)
    }

    override fun query(uri: Uri, columns: Array<String>?, where: String?, values: Array<String>?, order: String?): Cursor? {
        if (!answers) return null
        val cursor = MatrixCursor(columns!!)
        for ((id, row) in rows.entries.sortedByDescending { it.value.modified }) {
            cursor.addRow(
                columns.map {
                    when (it) {
                        Media._ID -> id
                        Media.DISPLAY_NAME -> row.name
                        Media.BUCKET_DISPLAY_NAME -> "Camera"
                        Media.DATE_MODIFIED -> row.modified
                        Media.SIZE -> row.content.size
                        Media.DATE_TAKEN -> 1_650_000_000_000 + id
                        else -> error(it)
                    }
                },
            )
        }
        return cursor
    }

    override fun onCreate() = true

    override fun getType(uri: Uri) = "image/png"

    override fun insert(uri: Uri, values: ContentValues?) = error("nothing is written")

    override fun delete(uri: Uri, where: String?, values: Array<String>?) = error("nothing is deleted")

    override fun update(uri: Uri, values: ContentValues?, where: String?, given: Array<String>?) = error("nothing is written")

    companion object {
        fun uri(id: Long): Uri = ContentUris.withAppendedId(Media.EXTERNAL_CONTENT_URI, id)
    }
}
