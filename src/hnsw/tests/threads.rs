use crate::hnsw::repair::repair_all;
use crate::hnsw::tests::*;
use crate::hnsw::workers::{in_chunks, run};
use crate::hnsw::{Scratch, insert};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

#[test]
fn threads_build_a_sound_graph() {
    let mut random = Rng::with_seed(8);
    let vectors = duplicate_vectors(&mut random, 3000, 16);
    let queries = random_vectors(&mut random, 50, 16);
    let graph = push_all(Metric::L2, &vectors, vectors.len());
    let control = Control::default();
    assert_eq!(insert_all(&graph, 0..graph.nodes(), EF_CONSTRUCTION, 4, &control, &mut || true), Ok(true));
    assert_eq!(control.done.load(Ordering::Relaxed), 3000);
    assert_sound(&graph, &|_| NodeState::Live);
    let vector_of = |node: Node| vectors[node as usize].clone();
    let found = recall(Metric::L2, &graph, &vector_of, &queries, 256, &|_| true);
    assert!(found >= 0.97, "{found}");

    // Node numbers stand for rows here until a head adopts its duplicate's row.
    let dead = |node: Node| graph.identity(node).is_multiple_of(3);
    let adopt = &mut |head, duplicate| {
        let (gone, lives) = (graph.identity(head), graph.identity(duplicate));
        assert!(
            gone.is_multiple_of(3) && !lives.is_multiple_of(3) && vectors[gone as usize] == vectors[lives as usize]
        );
        graph.set_identity(head, lives);
        graph.set_identity(duplicate, gone);
    };
    let control = Control::default();
    assert_eq!(repair_all(&graph, &dead, adopt, EF_CONSTRUCTION, 4, &control, &mut || true), Ok(true));
    assert_sound(&graph, &|node| if dead(node) { NodeState::Free } else { NodeState::Live });
    let found = recall(Metric::L2, &graph, &vector_of, &queries, 256, &|node| !dead(node));
    assert!(found >= 0.97, "{found} after the repair");
}

#[test]
fn a_panic_becomes_an_error() {
    let control = Control::default();
    let result = in_chunks(0..1000, 16, 3, &control, &mut || true, || (), |(), node| assert!(node != 500, "node 500"));
    let message = result.unwrap_err().message;
    assert!(message.contains("node 500"), "{message}");
    assert!(control.stop.load(Ordering::Relaxed));
}

#[test]
fn the_caller_can_stop() {
    let control = Control::default();
    let mut ticks = 0;
    let worked = AtomicU32::new(0);
    let slow = |_: &mut (), _| {
        worked.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(std::time::Duration::from_millis(5));
    };
    let tick = &mut || {
        ticks += 1;
        ticks < 2
    };
    in_chunks(0..100_000, 16, 2, &control, tick, || (), slow).unwrap();
    assert!(worked.load(Ordering::Relaxed) < 10_000 && control.stop.load(Ordering::Relaxed));

    let vectors = random_vectors(&mut Rng::with_seed(9), 100, 4);
    let graph = push_all(Metric::L2, &vectors, 100);
    let stopped = Control::default();
    stopped.stop.store(true, Ordering::Relaxed);
    assert_eq!(insert_all(&graph, 0..100, EF_CONSTRUCTION, 2, &stopped, &mut || true), Ok(false));
}

#[test]
fn no_signal_reaches_the_threads() {
    let blocked = Mutex::new(Vec::new());
    run(2, &Control::default(), &mut || true, &|_| {
        let mut set = std::mem::MaybeUninit::uninit();
        // SAFETY: the set is initialised before it is filled and read.
        let mask = unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), set.as_mut_ptr());
            set.assume_init()
        };
        let signals = [libc::SIGTERM, libc::SIGINT, libc::SIGUSR1, libc::SIGALRM, libc::SIGHUP];
        // SAFETY: the set is a valid one.
        blocked.lock().unwrap().extend(signals.map(|signal| unsafe { libc::sigismember(&raw const mask, signal) }));
    })
    .unwrap();
    assert_eq!(*blocked.lock().unwrap(), [1; 10]);
    let mut set = std::mem::MaybeUninit::uninit();
    // SAFETY: as above
    let here = unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), set.as_mut_ptr());
        libc::sigismember(set.as_ptr(), libc::SIGTERM)
    };
    assert_eq!(here, 0, "the caller's own mask is as before");
}

#[test]
fn memory_is_estimated() {
    for (dims, m) in [(3, 4), (384, 16), (784, 16), (1536, 48)] {
        let codec = Arc::new(Codec::from_parts(Metric::L2, dims, vec![0.0; dims], 1.0));
        let mut graph = MemoryGraph::with_capacity(Arc::clone(&codec), m, 2000);
        let before = graph.allocated_bytes();
        for row in 0..2000 {
            graph.push(row, level_of(row, m), crate::quant::Head::default(), &vec![128; dims]);
        }
        let (estimate, after) = (MemoryGraph::bytes(2000, dims, m) as f64, graph.allocated_bytes() as f64);
        assert!((estimate / after - 1.0).abs() < 0.05, "{estimate} for {after}");
        assert!((estimate / before as f64 - 1.0).abs() < 0.05, "{estimate}, {before} before the first node");
    }
}

/// With few links a node, where recall depends on every one of them, threads build no worse a graph than inserts one by one.
#[test]
fn few_links_are_chosen_as_well() {
    const SMALL: usize = 4;
    let mut random = Rng::with_seed(10);
    let mut vectors = random_vectors(&mut random, 3100, 24);
    let queries = vectors.split_off(3000);
    let codec = Arc::new(Codec::train(Metric::L2, 24, &mut vectors.iter().map(Vec::as_slice)));
    let graphs = [0, 1, 3].map(|threads| {
        let mut graph = MemoryGraph::with_capacity(Arc::clone(&codec), SMALL, vectors.len());
        let mut code = vec![0; codec.code_bytes()];
        for (row, vector) in vectors.iter().enumerate() {
            let head = codec.encode(vector, &mut code);
            graph.push(row as u64, level_of(row as u64, SMALL), head, &code);
        }
        if threads == 0 {
            let mut scratch = Scratch::new(&codec);
            (0..graph.nodes()).for_each(|node| insert(&graph, node, EF_CONSTRUCTION, &mut scratch));
        } else {
            let control = Control::default();
            let done = insert_all(&graph, 0..graph.nodes(), EF_CONSTRUCTION, threads, &control, &mut || true);
            assert_eq!(done, Ok(true));
        }
        graph
    });
    let vector_of = |node: Node| vectors[node as usize].clone();
    let found = graphs.map(|graph| recall(Metric::L2, &graph, &vector_of, &queries, 64, &|_| true));
    assert!(found.iter().all(|&built| built >= found[0] - 0.05 && built > 0.6), "{found:?}");
}
