package pocketsearcher

import java.io.IOException

/** A file that cannot be searched; the message is one line that says what was found, what was expected and what to do. */
class SearcherException(message: String, cause: Throwable? = null) : IOException(message, cause)
