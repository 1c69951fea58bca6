package pocketsearcher.demo

import android.content.Context
import android.content.Intent
import android.content.IntentFilter
import android.os.BatteryManager
import android.os.Build
import android.os.PowerManager

/** Why indexing waits; each says it with a string. */
enum class Rest(val text: Int) {
    BATTERY_SAVER(R.string.rest_battery_saver),
    LOW_BATTERY(R.string.rest_low_battery),
    WARM(R.string.rest_warm),
}

private const val LOW_PERCENT = 20

/** Why indexing has to wait now; null if it may go on. */
fun Context.reasonToRest(): Rest? {
    val power = getSystemService(Context.POWER_SERVICE) as PowerManager
    val battery = registerReceiver(null, IntentFilter(Intent.ACTION_BATTERY_CHANGED)) // the last state; nothing is registered
    return when {
        power.isPowerSaveMode -> Rest.BATTERY_SAVER
        battery != null && isLow(battery) -> Rest.LOW_BATTERY
        Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q && Newer.isWarm(power) -> Rest.WARM
        else -> null
    }
}

private fun isLow(battery: Intent): Boolean {
    val plugged = battery.getIntExtra(BatteryManager.EXTRA_PLUGGED, 0) != 0
    val (level, scale) = battery.getIntExtra(BatteryManager.EXTRA_LEVEL, -1) to battery.getIntExtra(BatteryManager.EXTRA_SCALE, -1)
    return !plugged && level >= 0 && scale > 0 && 100 * level < LOW_PERCENT * scale
}
