/* stand-in service worker */
