package pocketsearcher.demo

import android.app.AlertDialog
import android.view.View
import android.view.ViewGroup
import android.widget.Button
import android.widget.TextView

/**
 * The row that says how far the user's own photos are indexed, with one button.
 *
 * @param ask Asks for the permission to read photos.
 * @param pick Lets the user pick photos, which needs no permission.
 */
class GalleryRow(private val row: ViewGroup, private val worker: GalleryWorker, private val ask: () -> Unit, private val pick: () -> Unit) {
    private val text: TextView = row.findViewById(R.id.gallery_text)
    private val action: Button = row.findViewById(R.id.gallery_action)
    private val resources = row.resources

    fun show(state: GalleryState) {
        text.setOnClickListener(null)
        text.isClickable = false
        when (state) {
            is GalleryState.Off -> show(resources.getString(R.string.gallery_off), R.string.gallery_ask, ask)
            is GalleryState.Denied -> show(resources.getString(R.string.gallery_denied), R.string.gallery_pick, pick)
            is GalleryState.Working -> show(working(state), R.string.gallery_pause, worker::pause)
            is GalleryState.Paused -> show(paused(state.progress), R.string.gallery_resume, worker::resume)
            is GalleryState.Done -> {
                val broken = state.progress.broken.size
                val count = if (state.some) R.plurals.gallery_some else R.plurals.gallery_done
                val readable = state.progress.total - broken
                val said = resources.getQuantityString(count, readable, readable) +
                    if (broken > 0) resources.getQuantityString(R.plurals.gallery_broken, broken, broken) else ""
                val details = { showDetails(state.progress) }
                if (state.some) show(said, R.string.gallery_more, ask) else show(said, R.string.gallery_details, details)
                text.setOnClickListener { details() }
            }
            is GalleryState.Failed -> show(state.message, R.string.retry, worker::resume)
        }
    }

    private fun show(said: String, label: Int, use: () -> Unit) {
        text.text = said
        action.setText(label)
        action.setOnClickListener { use() }
        row.visibility = View.VISIBLE
    }

    private fun working(state: GalleryState.Working): String {
        val (done, total) = state.progress
        val rest = state.rest ?: return resources.getString(R.string.gallery_working, done, total)
        return resources.getString(R.string.gallery_resting, done, total, resources.getString(rest.text))
    }

    private fun paused(progress: GalleryProgress?) =
        if (progress == null) {
            resources.getString(R.string.gallery_paused_uncounted)
        } else {
            resources.getString(R.string.gallery_paused, progress.done, progress.total)
        }

    private fun showDetails(progress: GalleryProgress) {
        val lines = listOfNotNull(progress.note) + progress.broken.ifEmpty { listOf(resources.getString(R.string.gallery_nothing_broken)) }
        AlertDialog.Builder(row.context)
            .setMessage(lines.joinToString("\n"))
            .setPositiveButton(android.R.string.ok, null)
            .setNegativeButton(R.string.gallery_forget) { _, _ -> worker.forget() }
            .show()
    }
}
