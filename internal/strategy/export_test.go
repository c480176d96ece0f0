package strategy

// Guarded is what stands between the YAML library and the program.
var Guarded = guarded
