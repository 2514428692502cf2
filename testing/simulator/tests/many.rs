//! Many services at once come through, and the figures say what was measured.

use sluice_simulator::many;

#[test]
fn a_hundred_rollouts_at_once_come_through() {
    let figures = many::run(100, 1);
    assert_eq!((figures.services, figures.promoted), (100, 100));
    assert!(figures.decide_us > 0.0 && figures.turn_us >= figures.decide_p50_us);
    assert_eq!(figures.turns, 12_000);
}
