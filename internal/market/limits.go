package market

// The limits of a valid bar. They are far outside every real market and keep
// whatever analysis adds, multiplies or divides finite.
const (
	// MinPrice is the smallest price of a bar; the smallest traded tokens stand near 1e-10.
	MinPrice = 1e-12
	// MaxPrice is the largest price of a bar; the dearest share ever stands below 1e7.
	MaxPrice = 1e12
	// MaxVolume is the largest volume of a bar; the busiest tokens stand near 1e15.
	MaxVolume = 1e18
	// OHLCTolerance is how far, relative to the price, open and close may lie
	// outside [low, high], and low above high: the float noise that
	// adjustment factors leave behind. Such a bar is kept exactly as delivered.
	OHLCTolerance = 1e-6
)

// What makes a series odd, but usable.
const (
	// ZeroVolumeShare is the share of bars without volume above which a series
	// is warned about. Exchanges have a few ghost sessions a year; more than
	// one day in twenty means a suspended or hardly traded ticker.
	ZeroVolumeShare = 0.05
	// JumpFactor is how many times the close before, or what part of it, a close
	// may be before it is warned about. It is a factor, so that a fall counts as
	// the rise that undoes it: a split of 1:2 that was left in halves the price,
	// give or take what the day did. Splits and bonuses below 2:5 hide among what
	// prices do by themselves.
	JumpFactor = 1.4
)
