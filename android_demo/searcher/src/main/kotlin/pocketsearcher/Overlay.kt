package pocketsearcher

import java.util.BitSet
import kotlin.concurrent.thread

/**
 * Items that were added to or removed from an open searcher, searched beside its graph.
 *
 * Writers wait for each other. A reader takes [state] once and never waits: what it has does not change any more.
 *
 * @param exact Whether added embeddings are kept as float32.
 */
internal class Overlay(private val baseItems: Int, dimension: Int, exact: Boolean) {
    @Volatile
    var state = OverlayState(baseItems, baseItems, Added(AddedRows(dimension, exact)), 0, BitSet(), BitSet(), emptyMap(), 0)
        private set

    /** The cells of the added rows; null where there are few, or where they are still being made. */
    @Volatile
    var cells: Cells? = null
        private set
    private var cellsOf = 0 // rows that the newest cells are made of, which may still be under way

    /** Adds an item and returns its number; [terms] are the numbers of its words, null where words are not indexed. */
    @Synchronized
    fun add(vector: FloatArray, metadata: ByteArray, facts: CheckedFacts, terms: IntArray?): Int {
        val now = state
        require(now.nextId.toLong() < minOf(MOST_IDS, baseItems + MOST_ADDED)) {
            "there are no numbers left for more items; fold the added ones in with maker index --update."
        }
        for ((name, type) in facts.types) {
            // Another thread added the column meanwhile.
            require((now.types[name] ?: type) == type) { "facts: '$name' is a $type, but the column has type ${now.types[name]}." }
        }
        val added = now.added.withSpaceFor(now.count + 1)
        added.rows.put(now.count, vector)
        added.put(now.count, AddedItem(now.nextId, metadata, facts.values, terms))
        state = now.with(nextId = now.nextId + 1, added = added, count = now.count + 1, types = now.types + facts.types)
        keepCells()
        return now.nextId
    }

    /** @throws IllegalArgumentException The item does not exist, or it was already removed. */
    @Synchronized
    fun remove(item: Int) {
        val now = state
        require(now.has(item)) { "there is no item $item to remove; numbers go from 0 to ${now.nextId - 1}, removed ones left out." }
        state = if (item < baseItems) now.with(hidden = now.hidden.plus(item)) else now.with(gone = now.gone.plus(now.place(item)))
    }

    /** Takes the content of a file over; only before the first change. */
    @Synchronized
    fun load(content: OverlayContent) {
        val now = state
        val added = now.added.withSpaceFor(content.items.size)
        content.items.forEachIndexed { row, item ->
            content.copyRow(row, added.rows)
            added.put(row, item)
        }
        val hidden = BitSet().apply { content.removed.forEach { set(it) } }
        state = now.with(nextId = content.nextId, added = added, count = content.items.size, hidden = hidden, types = content.types)
        keepCells()
    }

    /** Gives new rows a cell; where the cells have to be made anew, that is done on a thread of its own, and the old ones serve until then. */
    private fun keepCells() {
        val now = state
        if (now.count <= Cells.FEW) return
        cells?.assign(now.added.rows, now.count)
        val rows = Cells.madeOf(now.count)
        if (rows == cellsOf) return
        cellsOf = rows
        thread(name = "cells", isDaemon = true, priority = Thread.MIN_PRIORITY) {
            val made = Cells.of(now.added.rows, now.count)
            made.assign(now.added.rows, now.count)
            publish(made, rows)
        }
    }

    @Synchronized
    private fun publish(made: Cells, rows: Int) {
        if (rows != cellsOf) return // more were added meanwhile, and others are being made
        made.assign(state.added.rows, state.count)
        cells = made
    }

    private fun BitSet.plus(number: Int) = (clone() as BitSet).apply { set(number) }

    companion object {
        const val MOST_IDS = 1L shl 31 // numbers are int32
        const val MOST_ADDED = 1L shl 22 // numbers after those of the base: facts and words have a place for each
    }
}

/** What is known of an added item besides its embedding. */
internal class AddedItem(val id: Int, val metadata: ByteArray, val facts: Map<String, Any>, val terms: IntArray?)

/** The added items: their embeddings and the rest of them, of which a reader sees as many as it knows of. */
internal class Added(val rows: AddedRows, private val items: Array<AddedItem?> = arrayOfNulls(0)) {
    fun withSpaceFor(count: Int): Added {
        val space = if (count <= items.size) items else items.copyOf(maxOf(2 * items.size, count, 64))
        val grown = rows.withSpaceFor(count)
        return if (space === items && grown === rows) this else Added(grown, space)
    }

    fun put(place: Int, item: AddedItem) {
        items[place] = item
    }

    operator fun get(place: Int): AddedItem = items[place]!!
}

/**
 * The overlay at one moment.
 *
 * @property nextId The number of the next added item. A number is never given twice.
 * @property count The number of rows, those of removed items, too.
 * @property hidden Items of the base that were removed.
 * @property gone Places of added items that were removed.
 * @property types The types of the columns of facts of added items.
 * @property version The number of changes.
 */
internal class OverlayState(
    val baseItems: Int,
    val nextId: Int,
    val added: Added,
    val count: Int,
    val hidden: BitSet,
    val gone: BitSet,
    val types: Map<String, String>,
    val version: Int,
) {
    /** Whether an item was ever added or removed. */
    val changed get() = nextId > baseItems || !hidden.isEmpty

    /** The number of items that were not removed. */
    val size get() = baseItems - hidden.cardinality() + count - gone.cardinality()

    fun with(
        nextId: Int = this.nextId,
        added: Added = this.added,
        count: Int = this.count,
        hidden: BitSet = this.hidden,
        gone: BitSet = this.gone,
        types: Map<String, String> = this.types,
    ) = OverlayState(baseItems, nextId, added, count, hidden, gone, types, version + 1)

    /** The facts of the added items. */
    val facts by lazy { AddedFacts(nextId - baseItems, types, places().map { added[it].run { id - baseItems to facts } }) }

    /** The words of the added items; null if none was added. */
    fun words(): LexicalPart? {
        val given = nextId - baseItems
        if (given == 0) return null
        val (terms, hidden) = Array(given) { IntArray(0) } to BitSet().apply { set(0, given) }
        for (place in places()) {
            val item = added[place]
            item.terms?.let { terms[item.id - baseItems] = it }
            hidden.clear(item.id - baseItems)
        }
        return LexicalPart(LexicalIndex.of(terms.asList()), baseItems, hidden)
    }

    /** Whether an item, in the base or added, exists and was not removed. */
    fun has(item: Int): Boolean = when (item) {
        in 0 until baseItems -> !hidden[item]
        in baseItems until nextId -> place(item).let { it >= 0 && !gone[it] }
        else -> false
    }

    /** The place of an added item; negative if it has none. */
    fun place(item: Int): Int {
        var (low, high) = 0 to count
        while (low < high) {
            val middle = (low + high) ushr 1
            if (added[middle].id < item) low = middle + 1 else high = middle
        }
        return if (low < count && added[low].id == item) low else -1
    }

    /** The places of the added items that were not removed. */
    fun places(): List<Int> = (0 until count).filter { !gone[it] }

    /** The items of the base that were not removed. */
    fun base() = BitSet(baseItems).apply {
        set(0, baseItems)
        andNot(hidden)
    }

    /** All items that were not removed. */
    fun present() = base().apply { for (place in places()) set(added[place].id) }

    /**
     * The nearest among the added items.
     *
     * @param items Search these alone, all of them; null for any.
     * @param cells Where to look for them, if they are many.
     * @param limit Leave out what is farther.
     */
    fun nearest(
        query: FloatArray,
        squared: Boolean,
        count: Int,
        items: BitSet? = null,
        cells: Cells? = null,
        limit: Float = Float.MAX_VALUE,
    ): Nearest {
        if (this.count == 0) return Nearest.NONE
        val distances = added.rows.distances(query, squared)
        val best = Best(count)
        var scanned = 0

        fun look(place: Int) {
            if (place >= this.count || gone[place] || items != null && !items[added[place].id]) return
            scanned++
            val distance = distances(place)
            if (distance <= limit) best.offer(place, distance)
        }
        val parted = if (items == null && cells != null && this.count > Cells.FEW) cells else null
        val rest = parted?.assigned ?: 0 // rows that were added since are looked at, whatever cell they will have
        parted?.scan(query, squared, enough = { scanned >= Cells.scanned(this.count) }) { if (it < rest) look(it) }
        for (place in rest until this.count) look(place)
        val found = best.found()
        return Nearest(IntArray(found.size) { added[found.ids[it]].id }, found.distances)
    }
}
