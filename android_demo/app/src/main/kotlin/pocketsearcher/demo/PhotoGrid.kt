package pocketsearcher.demo

import android.view.LayoutInflater
import android.view.View
import android.view.ViewGroup
import android.widget.BaseAdapter
import android.widget.ImageView
import android.widget.TextView

/** The cells of the grid: a thumbnail, or the name of the photo if it has none. */
class PhotoGrid(private val thumbnails: Thumbnails) : BaseAdapter() {
    /** The photos to show, nearest first. */
    var photos: List<Photo> = emptyList()
        set(value) {
            field = value
            notifyDataSetChanged()
        }

    override fun getCount() = photos.size

    override fun getItem(position: Int) = photos[position]

    override fun getItemId(position: Int) = position.toLong()

    override fun getView(position: Int, recycled: View?, parent: ViewGroup): View {
        val view = recycled ?: LayoutInflater.from(parent.context).inflate(R.layout.photo, parent, false).also { it.tag = Cell(it) }
        (view.tag as Cell).show(photos[position])
        return view
    }

    private inner class Cell(private val view: View) {
        private val image: ImageView = view.findViewById(R.id.thumbnail)
        private val name: TextView = view.findViewById(R.id.name)
        private val distance: TextView = view.findViewById(R.id.distance)

        @Volatile private var key = ""

        fun show(photo: Photo) {
            distance.text = view.context.getString(R.string.distance, photo.distance)
            view.contentDescription = photo.path
            if (photo.key == key && image.drawable != null) return
            key = photo.key
            name.text = photo.path
            val ready = thumbnails.now(photo)
            image.setImageBitmap(ready)
            if (ready != null) return
            thumbnails.load(photo, wanted = { key == photo.key }) { if (key == photo.key) image.setImageBitmap(it) }
        }
    }
}
