package pocketsearcher.demo

import android.view.LayoutInflater
import android.view.ViewGroup
import android.widget.Button
import android.widget.ToggleButton

/** The row of chips below the search box: what photos should be like, and the filters. */
class Chips(private val row: ViewGroup, private val ask: ((Question) -> Question) -> Unit) {
    private val like: Button = row.findViewById(R.id.like)
    private var shown: List<Filter> = emptyList()
    private var updating = false

    init {
        like.setOnClickListener { ask { it.copy(like = null) } }
    }

    /** Shows the filters of a file, those of the question pressed. */
    fun show(filters: List<Filter>, question: Question) {
        like.text = question.like?.let { row.context.getString(R.string.remove, it.name) }
        like.visibility = if (question.like == null) ViewGroup.GONE else ViewGroup.VISIBLE
        updating = true
        if (filters != shown) {
            row.removeViews(1, shown.size)
            filters.forEach { row.addView(chip(it)) }
            shown = filters
        }
        filters.forEachIndexed { place, filter -> (row.getChildAt(1 + place) as ToggleButton).isChecked = filter in question.filters }
        updating = false
    }

    private fun chip(filter: Filter): ToggleButton {
        val chip = LayoutInflater.from(row.context).inflate(R.layout.chip, row, false) as ToggleButton
        val label = row.context.getString(R.string.filter, filter.value, filter.photos)
        chip.textOn = label
        chip.textOff = label
        chip.contentDescription = row.context.getString(R.string.filter_spoken, filter.column, filter.value, filter.photos)
        chip.setOnCheckedChangeListener { _, checked ->
            if (!updating) ask { it.copy(filters = if (checked) it.filters + filter else it.filters - filter) }
        }
        return chip
    }
}
