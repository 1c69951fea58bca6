package pocketsearcher.demo

import android.os.PowerManager
import android.provider.MediaStore

/** What Android 7 lacks; callers ask for the version first. `without_gradle/package.py` checks all other classes against Android 7. */
internal object Newer {
    /** Since Android 10. */
    fun isWarm(power: PowerManager) = power.currentThermalStatus >= PowerManager.THERMAL_STATUS_MODERATE

    /** Since Android 13. */
    fun mostPicked() = MediaStore.getPickImagesMaxLimit()
}
