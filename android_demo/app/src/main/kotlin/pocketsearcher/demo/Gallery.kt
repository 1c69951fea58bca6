package pocketsearcher.demo

import android.Manifest
import android.content.ContentResolver
import android.content.ContentUris
import android.content.Context
import android.content.pm.PackageManager
import android.net.Uri
import android.os.Build
import android.provider.MediaStore.Images.Media
import java.io.IOException
import java.util.Date
import java.util.TimeZone

/**
 * A photo of the phone.
 *
 * @property id Its number in MediaStore; null for a picture that was picked one by one.
 * @property modified When its file was written, in seconds since 1970.
 * @property bytes The size of its file.
 * @property taken When it was taken, by the clock of the place; null if that is not known.
 */
data class GalleryPhoto(
    val id: Long?,
    val uri: Uri,
    val name: String,
    val folder: String?,
    val modified: Long,
    val bytes: Long,
    val taken: Date? = null,
) {
    /** Folder and name, for people. */
    val path get() = listOfNotNull(folder, name).joinToString("/")
}

/** What the user lets the app read. */
enum class Access {
    NONE,

    /** Some photos, which the user chose; since Android 14. */
    SOME,
    ALL,
}

/** The permissions to ask for. With the second one, Android 14 offers to choose some photos. */
fun galleryPermissions(): Array<String> = when {
    Build.VERSION.SDK_INT >= Build.VERSION_CODES.UPSIDE_DOWN_CAKE ->
        arrayOf(Manifest.permission.READ_MEDIA_IMAGES, Manifest.permission.READ_MEDIA_VISUAL_USER_SELECTED)
    Build.VERSION.SDK_INT >= Build.VERSION_CODES.TIRAMISU -> arrayOf(Manifest.permission.READ_MEDIA_IMAGES)
    else -> arrayOf(Manifest.permission.READ_EXTERNAL_STORAGE)
}

fun Context.galleryAccess(): Access {
    val granted = galleryPermissions().map { checkSelfPermission(it) == PackageManager.PERMISSION_GRANTED }
    return if (granted.first()) Access.ALL else if (granted.last()) Access.SOME else Access.NONE
}

/**
 * The photos of the phone that the app may read, the newest first.
 *
 * @throws IOException MediaStore does not answer.
 */
fun ContentResolver.galleryPhotos(): List<GalleryPhoto> {
    val columns = arrayOf(Media._ID, Media.DISPLAY_NAME, Media.BUCKET_DISPLAY_NAME, Media.DATE_MODIFIED, Media.SIZE, Media.DATE_TAKEN)
    val cursor = query(Media.EXTERNAL_CONTENT_URI, columns, null, null, "${Media.DATE_MODIFIED} DESC")
        ?: throw IOException("the list of photos cannot be read; try again later.")
    return cursor.use {
        val found = ArrayList<GalleryPhoto>(it.count)
        while (it.moveToNext()) {
            val id = it.getLong(0)
            val taken = if (it.isNull(5)) null else it.getLong(5)
            found += GalleryPhoto(
                id,
                ContentUris.withAppendedId(Media.EXTERNAL_CONTENT_URI, id),
                it.getString(1) ?: "$id",
                it.getString(2),
                it.getLong(3),
                it.getLong(4),
                taken?.let { time -> Date(time + TimeZone.getDefault().getOffset(time)) },
            )
        }
        found
    }
}
