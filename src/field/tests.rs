//! Every operation on every backend against schoolbook arithmetic, at the edges of its stated bounds.

use super::fe::{self, Fe, limbwise};
use super::inverse::Inverter;
use super::modulus::{Modulus, P256Order, P256Prime, Prime, Sm2Order, Sm2Prime};
use super::words::{Words, add_mod, from_be_bytes, is_zero, limbs, lt, power_of_two, reduce_once, sub_mod};
use crate::lanes::{Cpu, Kernel, Lanes52, Line, MASK52, Model};

/// A small generator of test words (xorshift), edges mixed in by the callers.
pub struct Random(pub u64);

impl Random {
    pub fn word(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
    pub fn words(&mut self) -> Words {
        [self.word(), self.word(), self.word(), self.word()]
    }
    pub fn below(&mut self, m: &Words) -> Words {
        reduce_once(&self.words(), false, m)
    }
}

/// `a b mod m` by doubling and adding.
pub fn mul_mod(a: &Words, b: &Words, m: &Words) -> Words {
    let mut out = [0; 4];
    for i in (0..256).rev() {
        out = add_mod(&out, &out, m);
        if b[i / 64] >> (i % 64) & 1 == 1 {
            out = add_mod(&out, a, m);
        }
    }
    out
}

/// The number in lane `lane`, reduced. Limbs may be as large as words.
fn value<L: Lanes52>(l: L, x: &Fe<L>, lane: usize, m: &Words) -> Words {
    let rows = limbwise!(|I| l.store(x[I]).0[lane]);
    let shift = power_of_two(52, m);
    rows.iter().rev().fold([0; 4], |acc, &limb| add_mod(&mul_mod(&acc, &shift, m), &[limb, 0, 0, 0], m))
}

fn from_rows<L: Lanes52>(l: L, rows: &[Line; 5]) -> Fe<L> {
    limbwise!(|I| l.load(&rows[I]))
}

/// Normal limbs below `multiple` times M: random, all ones, multiples of M themselves and their neighbours.
fn normal(random: &mut Random, m: &Words, multiple: u64) -> [Line; 5] {
    let mut rows = [Line::ZERO; 5];
    let top = limbs(m)[4];
    for lane in 0..8 {
        let mut x = [0u64; 5];
        match random.word() % 6 {
            0 => x = [0; 5],
            1 => {
                x = [MASK52; 5];
                x[4] = multiple * top - 1;
            }
            kind @ (2 | 3) => {
                // k M or k M - 1, carried by hand.
                let k = 1 + random.word() % multiple.saturating_sub(1).max(1);
                let mut c: u128 = 0;
                for (out, limb) in x.iter_mut().zip(limbs(m)) {
                    c += u128::from(limb) * u128::from(k);
                    *out = c as u64 & MASK52;
                    c >>= 52;
                }
                if kind == 3 {
                    // k M ends in zeros only for multiples of 2^52, which k is not.
                    x[0] -= 1;
                }
            }
            _ => {
                for limb in &mut x {
                    *limb = random.word() & MASK52;
                }
                x[4] %= multiple * top;
            }
        }
        for (row, limb) in rows.iter_mut().zip(x) {
            row.0[lane] = limb;
        }
    }
    rows
}

struct Products<M> {
    inputs: [[Line; 5]; 4],
    marker: std::marker::PhantomData<M>,
}

impl<M: Modulus, L: Lanes52> Kernel<L> for Products<M> {
    type Output = ();
    #[inline(always)]
    fn run(self, l: L) {
        let [a, b, c, d] = self.inputs;
        let (a, b, c, d) = (from_rows(l, &a), from_rows(l, &b), from_rows(l, &c), from_rows(l, &d));
        let results = [
            fe::mul::<M, L>(l, &a, &b),
            fe::square::<M, L>(l, &a),
            fe::mul_add::<M, L>(l, &a, &b, &c, &d),
            fe::to_montgomery::<M, L>(l, &c),
        ];
        let eight = fe::mul_add_eight_squares::<M, L>(l, &a, &b, &results[3]);
        let loose = [fe::mul_loose::<M, L>(l, &a, &b), fe::square_loose::<M, L>(l, &a)];
        for (loose, normal) in loose.iter().zip(&results) {
            for limb in loose.iter().flat_map(|&limb| l.store(limb).0).map(u64::cast_signed) {
                assert!(-(1 << 53) < limb && limb < 1 << 57, "{limb:#x}");
            }
            let carried = fe::carry(l, *loose);
            for i in 0..5 {
                assert_eq!(l.eq(carried[i], normal[i]), 0xff);
            }
        }
        let zero = fe::is_zero::<M, L>(l, &a);
        let r = power_of_two(260, &M::M);
        for lane in 0..8 {
            let [a, b, c, d] = [&a, &b, &c, &d].map(|x| value(l, x, lane, &M::M));
            let expected = [
                mul_mod(&a, &b, &M::M),
                mul_mod(&a, &a, &M::M),
                add_mod(&mul_mod(&a, &b, &M::M), &mul_mod(&c, &d, &M::M), &M::M),
                mul_mod(&c, &mul_mod(&r, &r, &M::M), &M::M),
            ];
            for (got, want) in results.iter().zip(expected) {
                assert_eq!(mul_mod(&value(l, got, lane, &M::M), &r, &M::M), want);
            }
            let square = value(l, &results[3], lane, &M::M);
            let square = (0..3).fold(mul_mod(&square, &square, &M::M), |x, _| add_mod(&x, &x, &M::M));
            let want = add_mod(&expected[0], &square, &M::M);
            assert_eq!(mul_mod(&value(l, &eight, lane, &M::M), &r, &M::M), want);
            assert_eq!(zero >> lane & 1 == 1, is_zero(&a));
        }
        // The stated bound, for a factor below M.
        let small = fe::mul::<M, L>(l, &fe::constant(l, M::ONE), &a);
        fe::check::<M, L>(l, &small, 201);
    }
}

struct Rest<M> {
    inputs: [[Line; 5]; 2],
    marker: std::marker::PhantomData<M>,
}

impl<M: Prime, L: Lanes52> Kernel<L> for Rest<M> {
    type Output = ();
    #[inline(always)]
    fn run(self, l: L) {
        let (a, b) = (from_rows(l, &self.inputs[0]), from_rows(l, &self.inputs[1]));
        // a < 4 M, b < 2 M.
        let difference = fe::sub::<2, M, L>(l, &a, &b);
        fe::check::<M, L>(l, &difference, 601);
        let negated = fe::negate::<4, M, L>(l, &a);
        let weak = fe::weak::<M, L>(l, a);
        // Negative limbs below a highest one that is not; the number is at least 2 M.
        let uncarried = limbwise!(|I| l.add(l.sub(b[I], a[I]), l.splat(6 * M::LIMBS[I])));
        let weak_signed = fe::weak::<M, L>(l, uncarried);
        let canonical = fe::canonical::<M, L>(l, &b);
        let back = fe::unpack(l, fe::pack(l, &canonical));
        for lane in 0..8 {
            let (x, y) = (value(l, &a, lane, &M::M), value(l, &b, lane, &M::M));
            assert_eq!(value(l, &difference, lane, &M::M), sub_mod(&x, &y, &M::M));
            assert_eq!(value(l, &negated, lane, &M::M), sub_mod(&[0; 4], &x, &M::M));
            assert_eq!(value(l, &weak, lane, &M::M), x);
            assert_eq!(value(l, &weak_signed, lane, &M::M), sub_mod(&y, &x, &M::M));
            assert_eq!(value(l, &canonical, lane, &M::M), y);
            let exact = limbwise!(|I| l.store(canonical[I]).0[lane]);
            assert_eq!(exact, limbs(&y));
            assert_eq!(limbwise!(|I| l.store(back[I]).0[lane]), exact);
        }
    }
}

fn run_products<M: Modulus>(seed: u64, rounds: usize) {
    let mut random = Random(seed);
    for _ in 0..rounds {
        let inputs = [16, 16, 16, 16].map(|k| normal(&mut random, &M::M, k));
        let kernel = || Products::<M> { inputs, marker: std::marker::PhantomData };
        Model.call(kernel());
        if let Some(ifma) = Cpu::hardware().avx512_ifma() {
            ifma.call(kernel());
        }
    }
}

fn run_rest<M: Prime>(seed: u64, rounds: usize) {
    let mut random = Random(seed);
    for _ in 0..rounds {
        let inputs = [4, 2].map(|k| normal(&mut random, &M::M, k));
        let kernel = || Rest::<M> { inputs, marker: std::marker::PhantomData };
        Model.call(kernel());
        if let Some(ifma) = Cpu::hardware().avx512_ifma() {
            ifma.call(kernel());
        }
    }
}

#[test]
fn products_agree_with_schoolbook_arithmetic() {
    run_products::<P256Prime>(1, 40);
    run_products::<Sm2Prime>(2, 40);
    run_products::<P256Order>(3, 40);
    run_products::<Sm2Order>(4, 40);
}

#[test]
fn sums_and_reductions_agree_with_schoolbook_arithmetic() {
    run_rest::<P256Prime>(5, 60);
    run_rest::<Sm2Prime>(6, 60);
}

#[test]
fn inverses() {
    let mut random = Random(7);
    for m in [P256Prime::M, Sm2Prime::M, P256Order::M, Sm2Order::M] {
        let inverter = Inverter::new(&m);
        let minus = |k: u64| sub_mod(&[0; 4], &[k, 0, 0, 0], &m);
        let edges =
            [[1, 0, 0, 0], [2, 0, 0, 0], [3, 0, 0, 0], minus(1), minus(2), [0, 0, 0, 1 << 63], power_of_two(255, &m)];
        for i in 0..2000 {
            let x = edges.get(i).copied().unwrap_or_else(|| random.below(&m));
            let y = inverter.invert(&x);
            assert!(lt(&y, &m));
            assert_eq!(inverter.by_halving(&x), Some(y), "within the matrices that it may have");
            assert_eq!(inverter.by_steps(&x), y);
            // The inverse of the inverse, and every few an actual product.
            assert_eq!(inverter.invert(&y), x);
            if i < 200 {
                assert_eq!(mul_mod(&x, &y, &m), [1, 0, 0, 0]);
            }
        }
        assert_eq!(inverter.invert(&[0; 4]), [0; 4]);
    }
}

#[test]
fn the_moduli_are_those_of_the_standards() {
    // NIST SP 800-186 and GB/T 32918.5, from the bytes as printed there.
    let bytes = |s: &str| {
        let mut out = [0; 32];
        for (i, b) in out.iter_mut().enumerate() {
            *b = u8::from_str_radix(&s[2 * i..2 * i + 2], 16).unwrap();
        }
        from_be_bytes(&out)
    };
    assert_eq!(P256Prime::M, bytes("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"));
    assert_eq!(P256Order::M, bytes("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"));
    assert_eq!(Sm2Prime::M, bytes("fffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffff"));
    assert_eq!(Sm2Order::M, bytes("fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123"));
}
