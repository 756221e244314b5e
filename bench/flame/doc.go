// Package flame draws CPU profiles as flame graphs that a document can show: a picture without scripts, the callers on top,
// as wide as the share of their time. What is too narrow to be read is left out.
//
// Stacks are merged by function, not by line. Names are those of packages and functions; no path of the machine that built the
// program gets into the picture.
package flame
