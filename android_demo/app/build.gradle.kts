plugins {
    id("com.android.application")
    id("org.jetbrains.kotlin.android")
}

// without_gradle/ reads the versions below, so that both builds make the same app.
android {
    namespace = "pocketsearcher.demo"
    compileSdk = 34

    defaultConfig {
        applicationId = "pocketsearcher.demo"
        minSdk = 24
        targetSdk = 34
        versionCode = 2
        versionName = "0.2.0"
    }

    // graph: the searcher graph on TensorFlow Lite alone. taskLibrary: the Task Library's TextSearcher on a TASK_LIBRARY export.
    flavorDimensions += "engine"
    productFlavors {
        create("graph") {
            dimension = "engine"
            isDefault = true
        }
        create("taskLibrary") {
            dimension = "engine"
            applicationIdSuffix = ".tasklibrary"
        }
    }

    buildTypes {
        release {
            isMinifyEnabled = true
            proguardFiles(getDefaultProguardFile("proguard-android.txt"), "proguard-rules.pro")
        }
    }

    // The app compiles the sources of the module :searcher, instead of depending on it, so that its tests see their internals.
    sourceSets["main"].kotlin.srcDir("../searcher/src/main/kotlin")

    androidResources {
        // The searcher is mapped directly from the APK, which is impossible if it is compressed.
        noCompress += "tflite"
        // The default ignores folders that start with an underscore, but folders of thumbnails have the names of those of photos.
        ignoreAssetsPattern = "!.git:!.DS_Store"
    }

    packaging {
        // The libraries of TensorFlow Lite 2.16.1 are aligned for pages of 4 KB; unpacked, they also load on devices with 16 KB pages.
        jniLibs.useLegacyPackaging = true
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_1_8
        targetCompatibility = JavaVersion.VERSION_1_8
    }

    kotlinOptions {
        jvmTarget = "1.8"
    }

    testOptions {
        unitTests {
            isIncludeAndroidResources = true
            all {
                // The library of LiteRT and the test files; tests that need them are skipped without. `make android` sets both.
                for (name in listOf("pocketsearcher.litert", "pocketsearcher.fixtures")) {
                    providers.gradleProperty(name).orNull?.let { value -> it.systemProperty(name, value) }
                }
            }
        }
    }
}

dependencies {
    implementation("org.tensorflow:tensorflow-lite:2.16.1")
    "taskLibraryImplementation"("org.tensorflow:tensorflow-lite-task-text:0.4.4")
    testImplementation("junit:junit:4.13.2")
    testImplementation("net.java.dev.jna:jna:5.17.0")
    testImplementation("org.robolectric:robolectric:4.16.1")
}
