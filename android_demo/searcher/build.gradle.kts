plugins {
    id("com.android.library")
    id("org.jetbrains.kotlin.android")
    id("maven-publish")
}

// without_gradle/ reads the version below, and makes the same module without Gradle.
android {
    namespace = "pocketsearcher"
    compileSdk = 34

    defaultConfig {
        minSdk = 24
        consumerProguardFiles("consumer-rules.pro")
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_1_8
        targetCompatibility = JavaVersion.VERSION_1_8
    }

    kotlinOptions {
        jvmTarget = "1.8"
    }

    publishing {
        singleVariant("release") {
            withSourcesJar()
        }
    }
}

dependencies {
    api("org.tensorflow:tensorflow-lite:2.16.1")
}

publishing {
    publications {
        register<MavenPublication>("release") {
            groupId = "pocketsearcher"
            artifactId = "searcher"
            version = "0.2.0"
            afterEvaluate {
                from(components["release"])
            }
        }
    }
}
