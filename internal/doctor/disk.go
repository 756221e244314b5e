package doctor

// Shares of a disk that must be free, and free bytes that are sufficient for any share.
const (
	freeShareWarn, freeShareFail = 0.15, 0.05
	freeBytesWarn, freeBytesFail = 20 << 30, 1 << 30
)

func judgeDisks(f *Facts, fr *finder) {
	for _, d := range f.Disks {
		do := "Free room or make the disk larger; a broker or a spool whose disk is full accepts nothing."
		share := 0.0
		if d.AllBytes > 0 {
			share = float64(d.FreeBytes) / float64(d.AllBytes)
		}
		room := sprintf("%s of %s are free (%.0f %%)", bytesText(d.FreeBytes), bytesText(d.AllBytes), share*100)
		switch {
		case d.Err != nil:
			fr.add(Fail, d.Path, "Make it writable for the user that coexstream runs as, or use another folder.", "%s: %s", d.Key, oneLine(d.Err.Error()))
		case d.FreeBytes < freeBytesFail || share < freeShareFail && d.FreeBytes < freeBytesWarn:
			fr.add(Fail, d.Path, do, "%s: only %s", d.Key, room)
		case share < freeShareWarn && d.FreeBytes < freeBytesWarn:
			fr.add(Warn, d.Path, do, "%s: only %s", d.Key, room)
		case !d.Exists:
			fr.add(OK, d.Path, "", "%s is not there yet and can be made here: %s", d.Key, room)
		default:
			fr.add(OK, d.Path, "", "%s: writable, %s", d.Key, room)
		}
	}
}
