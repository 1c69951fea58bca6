package pocketsearcher

import java.io.IOException

/** A file cannot be searched. The message is one line: what was found, what was expected and what to do. */
class SearcherException(message: String, cause: Throwable? = null) : IOException(message, cause)
