package pocketsearcher.demo

import android.content.ContentResolver
import android.content.Intent
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.graphics.ImageDecoder
import android.graphics.Matrix
import android.media.ExifInterface
import android.net.Uri
import android.os.Build
import android.provider.MediaStore
import android.provider.OpenableColumns
import java.io.IOException

private const val LONGEST_SIDE = 2048 // several times the input size of an image tower

/** A picture that was picked one by one. The app keeps the right to read it, if it can. */
fun ContentResolver.pickedPhoto(uri: Uri): GalleryPhoto {
    try {
        takePersistableUriPermission(uri, Intent.FLAG_GRANT_READ_URI_PERMISSION)
    } catch (_: SecurityException) {
        // It is indexed all the same. Its thumbnail is gone when the app is started again.
    }
    val columns = arrayOf(OpenableColumns.DISPLAY_NAME, OpenableColumns.SIZE)
    val (name, bytes) = query(uri, columns, null, null, null)?.use { if (it.moveToFirst()) it.getString(0) to it.getLong(1) else null }
        ?: (null to 0L)
    return GalleryPhoto(null, uri, name ?: uri.lastPathSegment ?: "$uri", null, 0, bytes)
}

/** The intent to pick several pictures, which the app may read from then on. */
fun pickPictures(): Intent =
    if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.TIRAMISU) {
        Intent(MediaStore.ACTION_PICK_IMAGES).setType("image/*").putExtra(MediaStore.EXTRA_PICK_IMAGES_MAX, Newer.mostPicked())
    } else {
        val open = Intent(Intent.ACTION_OPEN_DOCUMENT).setType("image/*").addCategory(Intent.CATEGORY_OPENABLE)
        open.putExtra(Intent.EXTRA_ALLOW_MULTIPLE, true)
    }

/** The intent to pick one picture, with the photo picker or, on older devices, with any app that has pictures. */
fun pickPicture(): Intent =
    if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.TIRAMISU) {
        Intent(MediaStore.ACTION_PICK_IMAGES).setType("image/*")
    } else {
        Intent(Intent.ACTION_GET_CONTENT).setType("image/*").addCategory(Intent.CATEGORY_OPENABLE)
    }

/** Decodes a picture, rotated upright. One with a side of more than twice [longestSide] is decoded at a fraction of its size. */
fun ContentResolver.decodePicture(uri: Uri, longestSide: Int = LONGEST_SIDE): Bitmap =
    if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.P) {
        ImageDecoder.decodeBitmap(ImageDecoder.createSource(this, uri)) { decoder, info, _ ->
            decoder.allocator = ImageDecoder.ALLOCATOR_SOFTWARE
            decoder.setTargetSampleSize(sampleSize(info.size.width, info.size.height, longestSide))
        }
    } else {
        decodeBeforeAndroid9(uri, longestSide)
    }

internal fun ContentResolver.decodeBeforeAndroid9(uri: Uri, longestSide: Int = LONGEST_SIDE): Bitmap {
    val bounds = BitmapFactory.Options().apply { inJustDecodeBounds = true }
    openInputStream(uri).use { BitmapFactory.decodeStream(it, null, bounds) }
    val options = BitmapFactory.Options().apply { inSampleSize = sampleSize(bounds.outWidth, bounds.outHeight, longestSide) }
    val bitmap = openInputStream(uri).use { BitmapFactory.decodeStream(it, null, options) }
        ?: throw IOException("$uri: cannot be decoded as a picture; choose another one.")
    val orientation = openInputStream(uri).use { stream ->
        stream?.let { ExifInterface(it).getAttributeInt(ExifInterface.TAG_ORIENTATION, ExifInterface.ORIENTATION_NORMAL) }
    }
    val upright = uprightMatrix(orientation ?: ExifInterface.ORIENTATION_NORMAL)
    return if (upright.isIdentity) bitmap else Bitmap.createBitmap(bitmap, 0, 0, bitmap.width, bitmap.height, upright, true)
}

private fun sampleSize(width: Int, height: Int, longestSide: Int): Int =
    Integer.highestOneBit((maxOf(width, height) / longestSide).coerceAtLeast(1))

private fun uprightMatrix(orientation: Int) = Matrix().apply {
    when (orientation) {
        ExifInterface.ORIENTATION_FLIP_HORIZONTAL -> setScale(-1f, 1f)
        ExifInterface.ORIENTATION_ROTATE_180 -> setRotate(180f)
        ExifInterface.ORIENTATION_FLIP_VERTICAL -> setScale(1f, -1f)
        ExifInterface.ORIENTATION_TRANSPOSE -> {
            setRotate(90f)
            postScale(-1f, 1f)
        }
        ExifInterface.ORIENTATION_ROTATE_90 -> setRotate(90f)
        ExifInterface.ORIENTATION_TRANSVERSE -> {
            setRotate(-90f)
            postScale(-1f, 1f)
        }
        ExifInterface.ORIENTATION_ROTATE_270 -> setRotate(-90f)
    }
}
