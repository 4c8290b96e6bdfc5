python () {
    raise bb.parse.SkipRecipe("incompatible with X")
}
