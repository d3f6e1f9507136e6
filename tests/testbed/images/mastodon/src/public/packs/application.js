// The web client of the stand-in does nothing.
